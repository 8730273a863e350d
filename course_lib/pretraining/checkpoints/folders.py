"""A checkpoint's folder: written whole or not at all, known by its manifest, removed only if ours.

    .step-00000200.partial/   being written
    step-00000200/            whole: every file is as its manifest.json says, by size and sha256

A save writes into the hidden folder, brings every file to the disk (fsync) and then renames the
folder. A rename is atomic (POSIX rename): a reader sees the old state or the new, and a process
that was killed in between leaves a hidden folder, which the next save removes. Nothing else is
touched: what is removed has a name and files of this course's, and no others.
"""

import hashlib
import itertools
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

MODEL, OPTIMIZER, STATE, MANIFEST = (
    "model.safetensors",
    "optimizer.safetensors",
    "state.json",
    "manifest.json",
)
SHARD = re.compile(r"shard-\d+-model-\d+-of-\d+\.safetensors")
NAME = re.compile(r"step-(\d+)")
HIDDEN = re.compile(r"\.step-\d+\.(partial|old)")
BLOCK = 1 << 24  # bytes hashed at a time


class Damaged(ValueError):
    """A checkpoint isn't what was saved: cut short, altered or incomplete. The message names it."""


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in ``folder`` by their step, oldest first, valid or not."""
    named = (path for path in folder.glob("step-*") if NAME.fullmatch(path.name))
    return sorted((path for path in named if path.is_dir()), key=lambda path: (_step(path), path))


def step_folder(folder: Path, step: int) -> Path:
    """Where the checkpoint after ``step`` finished steps is kept."""
    if step < 0:
        raise ValueError(f"step={step}: expected the number of finished steps, at least 0")
    return folder / f"step-{step:08d}"


def latest_valid(folder: Path, report: Callable[[str], None] | None = None) -> Path | None:
    """The newest checkpoint that is whole, or None. Each damaged one is reported by name."""
    for path in reversed(checkpoints(folder)):
        try:
            verify_checkpoint(path)
        except Damaged as damage:
            (report or _to_stderr)(f"skipped {damage}")
            continue
        return path
    return None


def verify_checkpoint(path: Path) -> None:
    """Compare every file with the manifest. Raises Damaged, naming the first that differs."""
    for name, said in manifest(path).items():
        compare(path / name, digest(path / name), said)


def manifest(path: Path) -> dict[str, dict]:
    """Bytes and sha256 by file name, as they were saved. Raises Damaged."""
    try:
        files = json.loads((path / MANIFEST).read_text())["files"]
        said = {
            name: {"bytes": one["bytes"], "sha256": one["sha256"]} for name, one in files.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Damaged(f"{path / MANIFEST}: unreadable ({error!r})") from error
    for name in (STATE,) if any(map(SHARD.fullmatch, said)) else (MODEL, OPTIMIZER, STATE):
        if name not in said:
            raise Damaged(f"{path / MANIFEST}: unreadable (it says nothing of {name})")
    return said


def read_checked(path: Path, said: dict) -> bytes:
    """A file's bytes. Raises Damaged where they aren't those that the manifest speaks of."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Damaged(f"{path}: unreadable ({error})") from error
    compare(path, describe(content), said)
    return content


def compare(path: Path, found: dict, said: dict) -> None:
    """Raises Damaged where a file's size or sha256 isn't that of the manifest."""
    if found != said:
        raise Damaged(
            f"{path}: checksum mismatch, {found['bytes']} bytes of sha256 "
            f"{found['sha256'][:12]}…, the manifest says {said['bytes']} of "
            f"{str(said['sha256'])[:12]}…"
        )


def describe(content: bytes) -> dict:
    """Size and sha256, as a manifest has them."""
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def digest(path: Path) -> dict:
    """`describe` of a file that may be larger than memory. Raises Damaged where it can't be read"""
    size, found = 0, hashlib.sha256()
    try:
        with path.open("rb") as file:
            while part := file.read(BLOCK):
                size += len(part)
                found.update(part)
    except OSError as error:
        raise Damaged(f"{path}: unreadable ({error})") from error
    return {"bytes": size, "sha256": found.hexdigest()}


def begin(folder: Path, step: int) -> Path:
    """An empty hidden folder to write a step into; what killed saves left is removed."""
    partial = folder / f".{step_folder(folder, step).name}.partial"
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob(".step-*"):
        if HIDDEN.fullmatch(leftover.name) and all(map(_is_file_of_ours, _files(leftover))):
            shutil.rmtree(leftover)
    partial.mkdir()
    return partial


def write(path: Path, content: bytes) -> None:
    """The whole content, on the disk and not merely in the system's memory, before it returns."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync(path: Path) -> None:
    """Bring a folder's entries, or a file, to the disk: a file's fsync doesn't cover its name."""
    if os.name == "nt":
        return  # a folder can't be opened there
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def publish(partial: Path, final: Path) -> None:
    """Give the whole folder its name. A folder of that name makes way only if it is damaged."""
    sync(partial)
    if final.exists():
        try:
            verify_checkpoint(final)
        except Damaged:
            if _is_ours(final):
                remove(final)
            else:
                os.rename(final, _unused(final))
        else:
            shutil.rmtree(partial)  # the same step of the same run: the very same bytes
            return
    os.rename(partial, final)
    sync(final.parent)


def prune(folder: Path, step: int, keep: int) -> None:
    """Leave the ``keep`` newest up to ``step``: not older ones, nor later ones that the run left
    behind when it went back past damaged ones."""
    kept = [path for path in checkpoints(folder) if _step(path) <= step][-keep:]
    for other in set(checkpoints(folder)) - set(kept):
        if _is_ours(other):
            remove(other)


def _step(path: Path) -> int:
    return int(NAME.fullmatch(path.name)[1])


def _files(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def _is_file_of_ours(name: str) -> bool:
    return name in (MODEL, OPTIMIZER, STATE, MANIFEST) or SHARD.fullmatch(name) is not None


def _is_ours(path: Path) -> bool:
    """Whether a save wrote this folder: a manifest, our files, and nothing that a user put in."""
    names = _files(path)
    return not path.is_symlink() and MANIFEST in names and all(map(_is_file_of_ours, names))


def _unused(path: Path) -> Path:
    """A name beside ``path`` for a folder that isn't ours to remove."""
    names = (path.with_name(f"{path.name}.aside-{n}") for n in itertools.count(1))
    return next(name for name in names if not name.exists())


def remove(path: Path) -> None:
    """Hidden first: a kill halfway through then leaves rubbish, not a damaged checkpoint."""
    hidden = path.with_name(f".{path.name}.old")
    os.rename(path, hidden)
    shutil.rmtree(hidden)


def _to_stderr(message: str) -> None:
    print(message, file=sys.stderr)
