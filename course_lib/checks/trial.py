"""An answer that can be called without harm to what comes after it.

A learner's function may loop for ever, call `sys.exit`, switch gradients off, change torch's
default dtype, print a line a case, or call what the exercise forbids. `Contained` is the function
with all of that caught: each call has its time, leaves the defaults as they were, and is watched.

What is forbidden is decided by what is *called*, whatever name it was imported under: Python tells
of each call (sys.setprofile). A helper of that name in the learner's own cell is no offence.
"""

import functools
import io
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from types import FrameType
from typing import Any

import numpy as np
import torch

SECONDS = 10  # for one call: every right answer takes well under one


class Forbidden(Exception):
    """The answer called what the exercise asks to do without."""


class _TimeIsUp(BaseException):
    """Not an Exception: a learner's `except Exception` in a loop must not swallow it."""


class Contained:
    """``answer``, to be called any number of times; ``said`` is what it printed."""

    def __init__(self, answer: Callable, forbidden: Sequence[str] = (), seconds: float = SECONDS):
        functools.update_wrapper(self, answer)
        self.answer, self.forbidden, self.seconds = answer, frozenset(forbidden), seconds
        self.said = io.StringIO()
        self.late = False
        self._inside, self._lock, self._around = 0, threading.Lock(), ExitStack()

    def __call__(self, *arguments: Any) -> Any:
        """The answer's value. Raises TimeoutError, Forbidden, or what the answer raises."""
        late = f"still running after {self.seconds:g} seconds: is there a loop that never ends?"
        if self.late:
            raise TimeoutError(late)
        try:
            with self._set_apart(), _gradients_kept(), self._watched(), self._timed():
                return self.answer(*arguments)
        except _TimeIsUp:
            self.late = True
            raise TimeoutError(late) from None
        except SystemExit as end:
            raise RuntimeError(f"it called sys.exit({end.code!r}): return a value instead") from end

    @contextmanager
    def _set_apart(self) -> Iterator[None]:
        """What belongs to the whole process, its output and defaults: kept from the first call that
        is inside to the last that leaves, since ranks call it from several threads at once.
        """
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._around.enter_context(_defaults_kept())
                self._around.enter_context(redirect_stdout(self.said))
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    self._around.close()

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """Raise after some seconds; only a process's main thread can be interrupted."""
        main = threading.current_thread() is threading.main_thread()
        if not main or not hasattr(signal, "setitimer"):
            yield
            return

        def stop(number: int, frame: FrameType | None) -> None:
            raise _TimeIsUp

        before = signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, self.seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        if not self.forbidden:
            yield
            return
        own = getattr(getattr(self.answer, "__code__", None), "co_filename", None)

        def look(frame: FrameType, event: str, what: Any) -> None:
            name = None
            if event == "c_call":
                name = what.__name__
            elif event == "call" and frame.f_code.co_filename != own:
                name = frame.f_code.co_name
                if name == "__init__":
                    name = type(frame.f_locals.get("self")).__name__
            if name in self.forbidden:
                raise Forbidden(f"it calls {name}: this exercise asks you to do without")

        before = sys.getprofile()
        sys.setprofile(look)
        try:
            yield
        finally:
            sys.setprofile(before)


@contextmanager
def _gradients_kept() -> Iterator[None]:
    """Whether gradients are recorded, which each thread has for itself, as it was."""
    grad = torch.is_grad_enabled()
    try:
        yield
    finally:
        torch.set_grad_enabled(grad)


@contextmanager
def _defaults_kept() -> Iterator[None]:
    """Whatever else a call may set for everyone after it, as it was."""
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        torch.set_rng_state(states[0])
        random.setstate(states[1])
        np.random.set_state(states[2])
