"""A save that survives: a disk that is stopped at each call."""

import errno
import functools
import random
from collections.abc import Callable
from copy import deepcopy

from course_lib.checks.exercise import Case, Exercise

NAME, PARTIAL = "checkpoint", "checkpoint.partial"
MOST_CALLS = 50


class Disk:
    """Files by name. What was written and not yet synced is lost in a power cut.

    Renaming and removing are each one step, which happens whole or not at all. ``capacity``: bytes.
    """

    # What an answer may call, also from the grader's sandbox.
    REMOTE = ("write", "sync", "rename", "remove", "read", "names")

    def __init__(self, capacity: int = 1_000, old: bytes = b"the old state of the run"):
        self.capacity = capacity
        self.calls: list[str] = []
        self.past: list[dict[str, bytes]] = []  # what a power cut after each call would leave
        self._files = {NAME: old}
        self._synced = {NAME}
        self._remember("nothing")

    def write(self, name: str, content: bytes) -> None:
        """Make the file, or replace what is in it. OSError where the disk is full, after a part."""
        others = sum(len(data) for other, data in self._files.items() if other != name)
        fits = content[: max(0, self.capacity - others)]
        self._files[name] = fits
        self._synced.discard(name)
        self._remember(f"write {name}")
        if len(fits) < len(content):
            raise OSError(errno.ENOSPC, "No space left on device")

    def sync(self, name: str) -> None:
        """Wait until the file's content is on the disk."""
        self.read(name)
        self._synced.add(name)
        self._remember(f"sync {name}")

    def rename(self, name: str, to: str) -> None:
        """Give a file another name; a file of that name is replaced."""
        self._files[to] = self.read(name)
        del self._files[name]
        (self._synced.add if name in self._synced else self._synced.discard)(to)
        self._synced.discard(name)
        self._remember(f"rename {name} to {to}")

    def remove(self, name: str) -> None:
        """Delete a file."""
        self.read(name)
        del self._files[name]
        self._remember(f"remove {name}")

    def read(self, name: str) -> bytes:
        """A file's content. FileNotFoundError where there is none."""
        if name not in self._files:
            raise FileNotFoundError(errno.ENOENT, f"no file {name!r}, there are {self.names()}")
        return self._files[name]

    def names(self) -> list[str]:
        """The files, sorted."""
        return sorted(self._files)

    def _remember(self, call: str) -> None:
        if len(self.calls) > MOST_CALLS:
            raise RuntimeError(f"{MOST_CALLS} calls, and the save isn't done: is there a loop?")
        self.calls.append(call)
        left = {n: data if n in self._synced else b"" for n, data in self._files.items()}
        self.past.append(deepcopy(left))


def _cases(seed: int) -> list[Case]:
    """Old state, new state, the disk's capacity, and what a killed save left there."""
    draw = random.Random(seed)

    def case(what: str, old: int, new: int, room: int, left: int = 0, edge: bool = False) -> Case:
        old += draw.randrange(9)
        new += draw.randrange(9)
        arguments = draw.randbytes(old), draw.randbytes(new), old + room, draw.randbytes(left)
        return Case(what, arguments, edge)

    return [
        case("room for both", 20, 40, room=200),
        case("the new state is shorter than the old one", 60, 20, room=200),
        case("the disk is full", 30, 40, room=draw.randrange(1, 30)),
        case("a partial file of a killed save lies there", 20, 40, room=200, left=12),
        case("not a byte is free", 20, 30, room=0, edge=True),
    ]


def _right(disk: Disk, content: bytes) -> None:
    """Beside it, synced, renamed; a failed save leaves no rubbish and says so."""
    _beside(disk, content)
    disk.rename(PARTIAL, NAME)


def _told(save: Callable[[Disk, bytes], None]) -> Callable[[bytes, bytes, int, bytes], dict]:
    """The save as a function of what is on the disk: what comes of it."""

    @functools.wraps(save)
    def story(old: bytes, new: bytes, capacity: int, left: bytes) -> dict[str, str]:
        disk = Disk(capacity, old)
        if left:
            disk.write(PARTIAL, left)
        return _story(save, disk, old, new)

    return story


def _story(
    save: Callable[[Disk, bytes], None], disk: Disk, old: bytes, new: bytes
) -> dict[str, str]:
    """How it ended, what is there, and the first call after which a power cut loses the run."""
    began = len(disk.calls)
    try:
        save(disk, new)
        ended = "it returned"
    except OSError as error:
        ended = f"it raised {type(error).__name__}"
    states = zip(disk.calls[began:], disk.past[began:], strict=True)
    lost = next((call for call, left in states if left.get(NAME) not in (old, new)), "no call")
    found = {old: "the old state", new: "the new state"}.get(disk.past[-1].get(NAME), "neither")
    extra = [name for name in disk.names() if name != NAME]
    return {
        "the call": ended,
        "a power cut loses the run after": lost,
        "a reader finds at the end": found,
        "other files": ", ".join(extra) or "none",
    }


def _over(disk: Disk, content: bytes) -> None:
    disk.write(NAME, content)
    disk.sync(NAME)


def _removes_first(disk: Disk, content: bytes) -> None:
    _beside(disk, content)
    disk.remove(NAME)
    disk.rename(PARTIAL, NAME)


def _never_syncs(disk: Disk, content: bytes) -> None:
    try:
        disk.write(PARTIAL, content)
    except OSError:
        disk.remove(PARTIAL)
        raise
    disk.rename(PARTIAL, NAME)


def _syncs_too_late(disk: Disk, content: bytes) -> None:
    _never_syncs(disk, content)
    disk.sync(NAME)


def _never_renames(disk: Disk, content: bytes) -> None:
    _beside(disk, content)


def _copies(disk: Disk, content: bytes) -> None:
    _beside(disk, content)
    disk.write(NAME, disk.read(PARTIAL))
    disk.sync(NAME)
    disk.remove(PARTIAL)


def _swallows(disk: Disk, content: bytes) -> None:
    try:
        disk.write(PARTIAL, content)
        disk.sync(PARTIAL)
    except OSError:
        disk.remove(PARTIAL)
        return
    disk.rename(PARTIAL, NAME)


def _leaves_rubbish(disk: Disk, content: bytes) -> None:
    disk.write(PARTIAL, content)
    disk.sync(PARTIAL)
    disk.rename(PARTIAL, NAME)


def _makes_room(disk: Disk, content: bytes) -> None:
    try:
        disk.write(PARTIAL, content)
    except OSError:
        disk.remove(NAME)
        disk.write(PARTIAL, content)
    disk.sync(PARTIAL)
    disk.rename(PARTIAL, NAME)


def _beside(disk: Disk, content: bytes) -> None:
    try:
        disk.write(PARTIAL, content)
        disk.sync(PARTIAL)
    except OSError:
        disk.remove(PARTIAL)
        raise


_MISTAKES = {
    "You write over the old file: from the first byte to the last there is no whole checkpoint. "
    "Write another file beside it.": _over,
    "You remove the old file before the new one has its name: between the two calls there is none. "
    "`rename` replaces it in one step.": _removes_first,
    "You never sync. A rename can reach the disk before the content does: after a power cut the "
    "checkpoint has its name and nothing in it.": _never_syncs,
    "You sync after the rename: too late, for in between the name stands on an empty file. Sync "
    "the partial file, then rename.": _syncs_too_late,
    "You never rename, so a reader finds the old state for ever.": _never_renames,
    "You copy the partial file over the old one: that is writing over it "
    "again. Rename it.": _copies,
    "You catch the error of the full disk and return as if all were well: the run goes on and "
    "believes that it has a checkpoint. Clean up, then raise it again.": _swallows,
    "When the disk is full you leave the partial file there: it keeps the disk full for the next "
    "try. Remove it, then raise the error again.": _leaves_rubbish,
    "When the disk is full you remove the old checkpoint to make room: a cut now loses everything. "
    "A save that fails must leave the old one alone.": _makes_room,
}

atomic_save = Exercise(
    name="pretraining/atomic_save",
    title="A save that survives",
    answer="save",
    kind="build",
    minutes=30,
    points=10,
    cases=_cases,
    reference=_right,
    mistakes=_MISTAKES,
    harness=_told,
)
