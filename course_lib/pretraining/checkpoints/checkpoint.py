"""A run's state in one file a kind: the weights, the optimizer's moments, and what else it knows.

    step-00000200/model.safetensors      the weights, by parameter name
    step-00000200/optimizer.safetensors  the optimizer's state, as field/parameter name
    step-00000200/state.json             finished steps, and whatever else the run must remember
    step-00000200/manifest.json          size and sha256 of the three

How the folder outlives a kill or a full disk stands in `folders`; `sharded` is the twin for models
of which each rank holds a part. Pickled files are never read: a pickle is a program, and loading it
runs it.
"""

import errno
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from course_lib.pretraining.checkpoints.folders import (
    MANIFEST,
    MODEL,
    OPTIMIZER,
    STATE,
    begin,
    describe,
    manifest,
    prune,
    publish,
    read_checked,
    step_folder,
    write,
)

PICKLED = (".pt", ".pth", ".bin", ".ckpt", ".pkl")
# What torch.save writes: a zip archive around a pickle, or (before torch 1.6) a bare one.
PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


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
    final, partial = step_folder(folder, step), None
    weights = {name: _plain(tensor) for name, tensor in _model_tensors(model).items()}
    moments = _optimizer_tensors(model, optimizer)
    _require_finite(final, dict(model.named_parameters()) | moments)
    parts = {
        MODEL: save(weights),
        OPTIMIZER: save(moments),
        STATE: json.dumps({"step": step, **(state or {})}, indent=1).encode(),
    }
    files = {name: describe(content) for name, content in parts.items()}
    parts[MANIFEST] = json.dumps({"files": files}, indent=1).encode()
    try:
        partial = begin(folder, step)
        for name, content in parts.items():
            write(partial / name, content)
        publish(partial, final)
    except OSError as error:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
        raise not_saved(final, error) from error
    prune(folder, step, keep)
    return final


@torch.no_grad()
def load_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict:
    """Fill model and optimizer from a checkpoint's folder; returns its state, with "step".

    Raises Damaged where a file isn't what was saved, ValueError where it is pickled or belongs to
    another model. Nothing is changed unless all of it fits.
    """
    if path.is_file():
        refuse_pickle(path)
        raise ValueError(f"{path} is a file: a checkpoint is a folder with {MANIFEST} in it")
    said = manifest(path)
    if MODEL not in said:
        raise ValueError(f"{path} was saved in parts: go on with --parallel fsdp or fsdp+tp")
    parts = {name: read_checked(path / name, said[name]) for name in (MODEL, OPTIMIZER, STATE)}
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


def not_saved(final: Path, error: OSError) -> OSError:
    """What to raise where a checkpoint couldn't be written: its name, and that the old one stays"""
    cause = "the disk is full" if error.errno == errno.ENOSPC else error.strerror
    return OSError(error.errno, f"{final}: not saved, {cause}; the last one stays")


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
