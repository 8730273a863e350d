"""A run's folder: who may write into it, and the log that outlives a kill."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from course_lib.pretraining.real_run.ranks import Ranks


class FolderInUse(RuntimeError):
    """Another process trains in this folder; the message names it."""


@contextmanager
def locked(out: Path, ranks: Ranks) -> Iterator[None]:
    """Hold ``out`` for one run. Rank 0 takes the lock for all; every rank hears of a refusal.

    The lock is the operating system's: it goes with its process, so that a killed run leaves none
    behind. ``owner.json`` only says whose it is.
    """
    refusal, lock = None, FileLock(out / ".lock")
    if ranks.first:
        out.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
            owner = {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "ranks": ranks.size,
                "since": time.strftime("%Y-%m-%d %H:%M:%S"),
            }
            (out / "owner.json").write_text(json.dumps(owner))
        except Timeout:
            refusal = f"{out}: {_owner(out)}; end it first, or choose another folder"
    try:
        refusal = ranks.from_first(refusal)
        if refusal:
            raise FolderInUse(refusal)
        yield
    finally:
        lock.release()


def _owner(out: Path) -> str:
    try:
        owner = json.loads((out / "owner.json").read_text())
        return f"process {owner['pid']} on {owner['host']} trains here since {owner['since']}"
    except (OSError, ValueError, KeyError):
        return "another process has just begun to train here"


LINES = {
    "begun": "begins, ranks: {ranks}",
    "resumed": "resumed from step {step}, saved by {saved_by} rank(s); ranks: {ranks}",
    "refused": "{what}",
    "step": "step {step}: loss {loss}, rate {lr:.2e}, gradient {grad_norm}, {tokens:,} tokens, "
    "{seconds:.1f} s",
    "validation": "step {step}: validation loss {loss:.4f} over {tokens:,} tokens",
    "saved": "saved {name}",
    "stopped": "asked to stop (signal {signal}): saved, start it again to go on",
    "done": "done, {tokens:,} tokens",
}


def line_of(event: str, **fields: object) -> str:
    """An event of the log as a line for whoever watches the run."""
    shown = {k: f"{v:.4f}" if k in ("loss", "grad_norm") and v else v for k, v in fields.items()}
    if event == "validation":
        shown["loss"] = fields["loss"]
    if event in LINES:
        return LINES[event].format(**shown)
    return f"{event}: " + ", ".join(f"{name} {value}" for name, value in fields.items())


class RunLog:
    """One JSON object a line, appended as things happen, and told on the way to who watches."""

    def __init__(self, path: Path, *, writes: bool = True):
        self.path, self.writes = path, writes

    def write(self, **event: object) -> None:
        """Append a line. After a kill the last one may be half there: begin a new line first."""
        if not self.writes:
            return
        print(line_of(**event), flush=True)
        text = json.dumps({"time": round(time.time(), 3), **event}) + "\n"
        with self.path.open("ab+") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                text = text if file.read(1) == b"\n" else "\n" + text
            file.write(text.encode())


def read_log(path: Path) -> list[dict]:
    """Every whole line of a run's log, in order; a line that a kill cut short is left out."""
    events = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            events.append(json.loads(line))
        except ValueError:
            continue
    return events


def curve(path: Path) -> list[dict]:
    """The steps of a log in order. A step that was repeated after a fault counts once, the last."""
    steps = {line["step"]: line for line in read_log(path) if line.get("event") == "step"}
    return [steps[number] for number in sorted(steps)]
