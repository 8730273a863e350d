"""Checkpoints that outlive what happens to them: a folder a step, written whole or not at all.

    step-00000200/model.safetensors      the weights, by parameter name
    step-00000200/optimizer.safetensors  the optimizer's state, as field/parameter name
    step-00000200/state.json             finished steps, and whatever else the run must remember
    step-00000200/manifest.json          size and sha256 of the three

A save writes into a hidden folder, brings every file to the disk (fsync) and then renames the
folder. A rename is atomic (POSIX rename): a reader sees the old state or the new, and a process
that was killed in between leaves a hidden folder, which the next save removes. Pickled files are
never read: a pickle is a program, and loading it runs it. Nothing else in the folder is touched:
what is removed has a name and files of this module's, and no others.
"""

import errno
import hashlib
import itertools
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

MODEL, OPTIMIZER, STATE, MANIFEST = (
    "model.safetensors",
    "optimizer.safetensors",
    "state.json",
    "manifest.json",
)
OURS = {MODEL, OPTIMIZER, STATE, MANIFEST}
PICKLED = (".pt", ".pth", ".bin", ".ckpt", ".pkl")
NAME = re.compile(r"step-(\d+)")
HIDDEN = re.compile(r"\.step-\d+\.(partial|old)")
# What torch.save writes: a zip archive around a pickle, or (before torch 1.6) a bare one.
PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


class Damaged(ValueError):
    """A checkpoint isn't what was saved: cut short, altered or incomplete. The message names it."""


def save_checkpoint(
    folder: Path,
    step: int,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    state: dict | None = None,
    keep: int = 2,
) -> Path:
    """Write ``step-…`` into ``folder``, atomically; keep it and the ``keep`` - 1 before it.

    ``state`` is JSON-ready and kept beside the step. The sha256 is that of the bytes we meant to
    write, taken before they went to the disk; this costs a copy of the state in memory. Raises
    OSError, which names the folder, where the disk is full or fails: what was there stays. Raises
    ValueError for a weight or moment that isn't finite: no run can go on from it.
    """
    if keep < 1:
        raise ValueError(f"keep={keep}: expected at least 1 checkpoint")
    if "step" in (state or {}):
        raise ValueError(f"state['step']={state['step']!r}: the step is kept already, as {step}")
    final = step_folder(folder, step)
    partial = folder / f".{final.name}.partial"
    weights = {name: _plain(tensor) for name, tensor in _model_tensors(model).items()}
    moments = _optimizer_tensors(model, optimizer)
    _require_finite(final, dict(model.named_parameters()) | moments)
    parts = {
        MODEL: save(weights),
        OPTIMIZER: save(moments),
        STATE: json.dumps({"step": step, **(state or {})}, indent=1).encode(),
    }
    parts[MANIFEST] = json.dumps({"files": _describe(parts)}, indent=1).encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(".step-*"):
            if HIDDEN.fullmatch(leftover.name) and _files(leftover) <= OURS:
                shutil.rmtree(leftover)
        partial.mkdir()
        for name, content in parts.items():
            _write(partial / name, content)
        _sync(partial)
        _publish(partial, final)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        cause = "the disk is full" if error.errno == errno.ENOSPC else error.strerror
        raise OSError(error.errno, f"{final}: not saved, {cause}; the last one stays") from error
    kept = [path for path in checkpoints(folder) if _step(path) <= step][-keep:]
    for other in set(checkpoints(folder)) - set(kept):
        if _is_ours(other):
            _remove(other)  # older ones, and damaged later ones that the run went back past
    return final


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
    _read(path)


@torch.no_grad()
def load_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict:
    """Fill model and optimizer from a checkpoint's folder; returns its state, with "step".

    Raises Damaged where a file isn't what was saved, ValueError where it is pickled or belongs to
    another model. Nothing is changed unless all of it fits.
    """
    if path.is_file():
        refuse_pickle(path)
        raise ValueError(f"{path} is a file: a checkpoint is a folder with {MANIFEST} in it")
    parts = _read(path)
    for name in (MODEL, OPTIMIZER):
        refuse_pickle(path / name)
    weights, moments = load(parts[MODEL]), load(parts[OPTIMIZER])
    kept, named = _model_tensors(model), dict(model.named_parameters())
    for name in sorted(kept.keys() | weights.keys()):
        ours, saved = (tuple(t[name].shape) if name in t else None for t in (kept, weights))
        if ours != saved:
            raise ValueError(f"{path}: {name} is {saved}, the model's is {ours}")
    for name, tensor in kept.items():
        tensor.copy_(weights[name])
    for p in named.values():
        optimizer.state.pop(p, None)
    for key, value in moments.items():
        field, name = key.split("/", 1)
        # A counter stays on the CPU, as the optimizer made it; what has a shape lives with its p.
        place = named[name].device if value.dim() else "cpu"
        optimizer.state[named[name]][field] = value.to(place)
    return json.loads(parts[STATE])


def refuse_pickle(path: Path) -> None:
    """Raises ValueError, with how to convert it, where a file is pickled by name or first bytes."""
    with path.open("rb") as file:
        start = file.read(9)
    # A safetensors file begins with its header's length, which may look like anything; then "{".
    if path.suffix in PICKLED or (start.startswith(PICKLE_STARTS) and start[8:] != b"{"):
        raise ValueError(
            f"{path} is pickled: loading it would run whatever its author put in. Convert it once, "
            "where nothing can be lost: weights = torch.load(path, weights_only=True), then "
            "safetensors.torch.save_file(weights, 'model.safetensors')"
        )


def _read(path: Path) -> dict[str, bytes]:
    """The files' bytes, each compared with the manifest."""
    try:
        files = json.loads((path / MANIFEST).read_text())["files"]
        wanted = {
            name: (files[name]["bytes"], files[name]["sha256"])
            for name in (MODEL, OPTIMIZER, STATE)
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{path / MANIFEST}: unreadable ({error!r})") from error
    parts = {}
    for name, (size, digest) in wanted.items():
        try:
            parts[name] = (path / name).read_bytes()
        except OSError as error:
            raise Damaged(f"{path / name}: unreadable ({error})") from error
        found = hashlib.sha256(parts[name]).hexdigest()
        if (len(parts[name]), found) != (size, digest):
            raise Damaged(
                f"{path / name}: checksum mismatch, {len(parts[name])} bytes of sha256 "
                f"{found[:12]}…, the manifest says {size} of {digest[:12]}…"
            )
    return parts


def _model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters, and the buffers that a state_dict keeps (BatchNorm's running mean is one)."""
    kept = model.state_dict().keys()
    buffers = {name: buffer for name, buffer in model.named_buffers() if name in kept}
    return dict(model.named_parameters()) | buffers


def _require_finite(final: Path, tensors: dict[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{final}: not saved, {name} isn't finite; the last one stays")


def _optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"{field}/{name}": _plain(value)
        for name, p in model.named_parameters()
        for field, value in optimizer.state.get(p, {}).items()
    }


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous()


def _describe(parts: dict[str, bytes]) -> dict:
    return {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in parts.items()
    }


def _write(path: Path, content: bytes) -> None:
    """The whole content, on the disk and not merely in the system's memory, before it returns."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _publish(partial: Path, final: Path) -> None:
    """Give the whole folder its name. A folder of that name makes way only if it is damaged."""
    if final.exists():
        try:
            verify_checkpoint(final)
        except Damaged:
            if _is_ours(final):
                _remove(final)
            else:
                os.rename(final, _unused(final))
        else:
            shutil.rmtree(partial)  # the same step of the same run: the very same bytes
            return
    os.rename(partial, final)
    _sync(final.parent)


def _step(path: Path) -> int:
    return int(NAME.fullmatch(path.name)[1])


def _files(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def _is_ours(path: Path) -> bool:
    """Whether a save wrote this folder: a manifest, our files, and nothing that a user put in."""
    return not path.is_symlink() and MANIFEST in _files(path) and _files(path) <= OURS


def _unused(path: Path) -> Path:
    """A name beside ``path`` for a folder that isn't ours to remove."""
    names = (path.with_name(f"{path.name}.aside-{n}") for n in itertools.count(1))
    return next(name for name in names if not name.exists())


def _remove(path: Path) -> None:
    """Hidden first: a kill halfway through then leaves rubbish, not a damaged checkpoint."""
    hidden = path.with_name(f".{path.name}.old")
    os.rename(path, hidden)
    shutil.rmtree(hidden)


def _sync(folder: Path) -> None:
    """Bring a folder's entries to the disk: a file's fsync doesn't cover its name."""
    if os.name == "nt":
        return  # a folder can't be opened there
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _to_stderr(message: str) -> None:
    print(message, file=sys.stderr)
