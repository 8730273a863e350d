"""The store of what chapters build: each artifact is built once and checked on every load.

An artifact is a folder of safetensors, GGUF and JSON files with a ``manifest.json``. Its key is a
hash of the recipe's name, config and code (less comments and docstrings) and of its parents' keys:
any change upstream gives another key. A build writes into a temporary folder, which is renamed
when all of it is there, so that nobody reads half an artifact. What a build has done before it was
killed stays in the recipe's work folder, and the next build goes on from there.
"""

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import torch
from filelock import FileLock

from course_lib import imports, measure, runtime

ALLOWED = {".safetensors", ".gguf", ".json", ".jsonl"}
Progress = Callable[[float, str], None]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How an artifact is made: ``build(config, parents, out, work, progress, **where)``.

    ``build`` returns figures: name -> number. ``where`` (as {"device": "cuda"}) and ``threads``
    (torch's, during the build) say on what it runs and not what it computes: the key leaves them
    out.
    """

    name: str
    build: Callable[..., dict[str, float]]
    config: Any
    parents: tuple["Recipe", ...] = ()
    where: dict[str, Any] = field(default_factory=dict, compare=False)
    threads: int | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        """Hash of name, config, code and parents' keys (hex, 16 digits)."""
        return _key(self)


@cache
def _key(recipe: Recipe) -> str:
    content = {
        "name": recipe.name,
        "config": asdict(recipe.config),
        "code": _code(recipe.build.__module__),
        "parents": [parent.key for parent in recipe.parents],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _code(module: str) -> str:
    """Hash of the code of ``module`` and of all that it imports in turn.

    It stays the same while only the store, the profiles or the choice of a device change, since no
    chapter imports those.
    """
    return imports.closure_hash([module])


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A finished artifact on the disk, whose files agree with its manifest."""

    name: str
    key: str
    path: Path
    manifest: dict = field(repr=False)

    @property
    def figures(self) -> dict[str, float]:
        """What the recipe measured, by name."""
        return self.manifest["figures"]

    @property
    def bytes(self) -> int:
        """Size of the files, manifest left out."""
        return sum(entry["bytes"] for entry in self.manifest["files"].values())


class Damaged(ValueError):
    """A file of an artifact is missing, cut short or changed. The message names it."""


def folder(recipe: Recipe) -> Path:
    """The artifact's folder, whether it is built or not."""
    return runtime.home() / "artifacts" / f"{recipe.name}-{recipe.key}"


def load(recipe: Recipe) -> Artifact | None:
    """The artifact; None if it was never built.

    Raises Damaged, naming the file, where one differs from what the manifest says.
    """
    path = folder(recipe)
    if not path.is_dir():
        return None
    try:
        manifest = json.loads((path / "manifest.json").read_text())
        entries = manifest["files"].items()
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise Damaged(f"{path / 'manifest.json'}: unreadable ({error})") from error
    for name, entry in entries:
        _verify(path / name, entry)
    return Artifact(name=recipe.name, key=recipe.key, path=path, manifest=manifest)


def _verify(path: Path, entry: dict) -> None:
    if not path.is_file():
        raise Damaged(f"{path}: missing")
    size = path.stat().st_size
    if size != entry["bytes"]:
        raise Damaged(f"{path}: {size} bytes, the manifest says {entry['bytes']}")
    found = sha256(path)
    if found != entry["sha256"]:
        raise Damaged(f"{path}: sha256 {found[:12]}…, the manifest says {entry['sha256'][:12]}…")


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def ensure(recipe: Recipe, progress: Progress | None = None) -> Artifact:
    """The artifact. Where it is missing or damaged it is built first, its parents before it.

    Two processes that ask for the same artifact build it once: one waits for the other.
    """
    progress = progress or (lambda fraction, text: None)
    try:
        found = load(recipe)
    except Damaged as damage:
        print(f"artifact {recipe.name} is refused and built again: {damage}", file=sys.stderr)
        found = None
    if found:
        return found
    _check_writable()
    parents = {parent.name: ensure(parent, progress).path for parent in recipe.parents}
    lock = runtime.home() / "locks" / f"{recipe.name}-{recipe.key}.lock"
    with FileLock(lock):
        try:
            found = load(recipe)  # another process may have built it while we waited
        except Damaged:
            shutil.rmtree(folder(recipe))
            found = None
        return found or _build(recipe, parents, progress)


def _check_writable() -> None:
    """Raise OSError, before minutes of building, where the store can't take what is built."""
    for name in ("artifacts", "locks", "work"):
        room = runtime.home() / name
        try:
            room.mkdir(parents=True, exist_ok=True)
            TemporaryFile(dir=room).close()
        except OSError as error:
            raise OSError(
                f"the store can't be written: {room}: {error.strerror}. COURSE_HOME names another"
            ) from error


def _build(recipe: Recipe, parents: dict[str, Path], progress: Progress) -> Artifact:
    final = folder(recipe)
    work = runtime.home() / "work" / final.name
    out = final.with_name(f".{final.name}.partial")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    work.mkdir(parents=True, exist_ok=True)
    began, cpu = time.perf_counter(), measure.cpu_seconds()
    with _threads(recipe.threads):
        figures = recipe.build(
            recipe.config,
            parents,
            out,
            work,
            lambda fraction, text: progress(fraction, f"{recipe.name}: {text}"),
            **recipe.where,
        )
    manifest = {
        "name": recipe.name,
        "key": recipe.key,
        "config": asdict(recipe.config),
        "parents": {parent.name: parent.key for parent in recipe.parents},
        "files": {path.name: _describe(path) for path in sorted(out.iterdir())},
        "figures": {name: float(value) for name, value in figures.items()},
        "wall_seconds": round(time.perf_counter() - began, 1),
        "cpu_seconds": round(measure.cpu_seconds() - cpu, 1),
        "peak_memory_mb": round(measure.peak_memory_mb(), 1),
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1))
    _flush(out)
    os.replace(out, final)
    shutil.rmtree(work, ignore_errors=True)
    return Artifact(name=recipe.name, key=recipe.key, path=final, manifest=manifest)


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """So many threads for torch within the block, then as many as before. None changes nothing."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _describe(path: Path) -> dict:
    if path.suffix not in ALLOWED:
        raise ValueError(f"{path.name}: an artifact holds {', '.join(sorted(ALLOWED))} files only")
    return {"bytes": path.stat().st_size, "sha256": sha256(path)}


def _flush(out: Path) -> None:
    """Write every file through to the disk: the rename that follows makes the artifact visible."""
    for path in out.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
