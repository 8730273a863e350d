"""A progress line for a pytest run, and the table of what each page took."""

import sys
import threading
import time
from collections.abc import Callable

import pytest
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

HEARTBEAT = 20.0  # seconds between two lines where the output is no terminal


class Progress:
    """A pytest plugin: which pages are running, which have passed, which have failed.

    titles: path of a notebook relative to pytest's root -> what to call it.
    on_pass: called with the path and the seconds of each page that passed.
    """

    def __init__(self, titles: dict[str, str], on_pass: Callable[[str, float], None]):
        self.titles = titles
        self._on_pass = on_pass
        self.passed: dict[str, float] = {}
        self.failures: dict[str, str] = {}
        self._running: dict[str, float] = {}
        self._began = time.monotonic()
        self._console = Console(file=sys.stdout, highlight=False)
        self._live = Live(console=self._console, get_renderable=self._line, transient=True)
        self._stop = threading.Event()

    def __enter__(self) -> "Progress":
        if self._console.is_terminal:
            self._live.start()
        else:
            threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(self, *error) -> None:
        self._stop.set()
        if self._console.is_terminal:
            self._live.stop()

    def pytest_runtest_logstart(self, nodeid: str, location: tuple) -> None:
        self._running[_path(nodeid)] = time.monotonic()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        path = _path(report.nodeid)
        if report.when == "call" or report.failed:
            took = time.monotonic() - self._running.pop(path, time.monotonic())
            if report.failed:
                self.failures[path] = report.longreprtext
            else:
                self.passed[path] = took
                self._on_pass(path, took)
            done = len(self.passed) + len(self.failures)
            mark = "failed" if report.failed else "done"
            self._print(f"[{done:>2}/{len(self.titles)}] {self._title(path)}: {mark}, {took:.0f} s")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failures[_path(report.nodeid)] = report.longreprtext

    def _title(self, path: str) -> str:
        return self.titles.get(path, path)

    def _line(self) -> Text:
        now = time.monotonic()
        done = len(self.passed) + len(self.failures)
        running = [f"{self._title(p)} ({now - t:.0f} s)" for p, t in list(self._running.items())]
        waiting = "starting kernels" if done < len(self.titles) else "finishing"
        return Text(
            f"executing {done}/{len(self.titles)} · {now - self._began:.0f} s · "
            f"{', '.join(running) or waiting}"
        )

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT):
            self._print(f"        {self._line().plain}")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)
        sys.stdout.flush()


def _path(nodeid: str) -> str:
    return nodeid.split("::")[0]


def summary(rows: list[tuple[str, dict]]) -> str:
    """The table of pages with what each took when it last ran."""
    table = Table("page", "seconds", "core-seconds", "peak MB", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    total = 0.0
    for page, record in rows:
        cost = record.get("costs", {})
        total += cost.get("cpu_seconds", 0.0)
        table.add_row(
            page,
            f"{record.get('seconds', 0):.0f}",
            f"{cost['cpu_seconds']:.0f}" if cost else "",
            f"{cost['peak_memory_mb']:.0f}" if cost else "",
        )
    table.add_row("all pages", "", f"{total:.0f}", "")
    console = Console(width=100, file=sys.stdout)
    with console.capture() as text:
        console.print(table)
    return text.get()
