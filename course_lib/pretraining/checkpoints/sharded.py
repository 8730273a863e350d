"""A checkpoint of a model of which each rank holds a part: no rank ever holds, or writes, it whole.

    step-00000200/shard-00001-model-00001-of-00001.safetensors   what rank 0 holds, and so on
    step-00000200/state.json, manifest.json                       as in `checkpoint`

PyTorch's distributed checkpoints write and read the parts; each file says which part of which
tensor it has, so that a run goes on on another number of ranks, cut in another way. Its usual
format keeps a pickled index; this one is safetensors alone.
"""

import json
import shutil
import warnings
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import Tensor, nn
from torch.distributed.checkpoint import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.tensor import DTensor

from course_lib.pretraining.checkpoints.checkpoint import not_saved
from course_lib.pretraining.checkpoints.folders import (
    MANIFEST,
    SHARD,
    STATE,
    Damaged,
    begin,
    describe,
    digest,
    manifest,
    prune,
    publish,
    read_checked,
    step_folder,
    sync,
    write,
)


class ShardedCheckpoints:
    """Saves in the background: copy the parts to memory, go on, and name the folder when all wrote.

    Every rank calls each method in the same order. ``keep`` as in `save_checkpoint`.
    """

    def __init__(self, folder: Path, keep: int):
        if keep < 1:
            raise ValueError(f"keep={keep}: expected at least 1 checkpoint")
        self.folder, self.keep = folder, keep
        # Its own group: a save talks in the background while the steps talk in the foreground.
        self.group = dist.new_group(backend="gloo")
        self.first = dist.get_rank() == 0
        self._writing: tuple[Future, int, Path] | None = None

    @property
    def written(self) -> bool:
        """Whether this rank has written its part of a save that is under way."""
        return self._writing is not None and self._writing[0].done()

    def begin(
        self, step: int, model: nn.Module, optimizer: torch.optim.Optimizer, state: dict
    ) -> None:
        """Copy what is to be saved, and write it in the background; the save before is finished
        first. Raises ValueError for a number that isn't finite, OSError where nothing can be kept.
        """
        self.finish()
        parts, counters = tensors_of(model, optimizer)
        bad = [name for name, tensor in parts.items() if not _local(tensor).isfinite().all()]
        final = step_folder(self.folder, step)
        if found := [name for names in self._all(bad) for name in names]:
            raise ValueError(f"{final}: not saved, {found[0]} isn't finite; the last one stays")
        partial = Path(self._made(step, {"step": step, "counters": counters, **state}))
        writer = HuggingFaceStorageWriter(str(partial), save_distributed=True)
        future = dcp.async_save(parts, storage_writer=writer, process_group=self.group)
        self._writing = future, step, partial

    def finish(self) -> Path | None:
        """Wait for the save that is under way and give its folder its name; None without one."""
        if self._writing is None:
            return None
        future, step, partial = self._writing
        self._writing, final, fault = None, step_folder(self.folder, step), None
        try:
            future.result()
        except Exception as error:  # of the writer, which wraps what befell it
            fault = error
        described = self._describe(partial, fault)
        if self.first:
            fault = self._publish(partial, final, described, fault)
            prune(self.folder, step, self.keep)
        if said := next(filter(None, self._all(str(fault) if fault else None)), None):
            raise OSError(None, f"{final}: not saved, {said}; the last one stays")
        return final

    def load(self, path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict:
        """Fill this rank's parts from a folder, however it was cut; returns its state.

        Raises Damaged where a file isn't what was saved, ValueError where it is of another model.
        """
        said = manifest(path)
        if not any(map(SHARD.fullmatch, said)):
            raise ValueError(f"{path} was saved whole: go on with --parallel ours or ddp")
        state = json.loads(read_checked(path / STATE, said[STATE]))
        moments = _empty_moments(model, state["counters"])
        wanted = {name: p.detach() for name, p in model.named_parameters()} | moments
        reader = HuggingFaceStorageReader(str(path))
        _require_same_shapes(path, reader, wanted)
        dcp.load(wanted, storage_reader=reader, process_group=self.group)
        named = dict(model.named_parameters())
        for key, value in moments.items():
            field, name = key.split("/", 1)
            optimizer.state[named[name]][field] = value
        for key, value in state.pop("counters").items():
            field, name = key.split("/", 1)
            optimizer.state[named[name]][field] = torch.tensor(value)
        return state

    def _all(self, value: Any) -> list[Any]:
        values = [None] * dist.get_world_size(self.group)
        dist.all_gather_object(values, value, group=self.group)
        return values

    def _made(self, step: int, state: dict) -> str:
        """The hidden folder, which rank 0 makes, with the state in it. Raises OSError on all."""
        made, fault = None, None
        if self.first:
            try:
                made = begin(self.folder, step)
                write(made / STATE, json.dumps(state, indent=1).encode())
            except OSError as error:
                fault = str(not_saved(step_folder(self.folder, step), error))
        made, fault = self._all((str(made), fault))[0]
        if fault:
            raise OSError(None, fault)
        return made

    def _describe(self, partial: Path, fault: Exception | None) -> dict[str, dict]:
        """Size and sha256 of every file; each rank reads some of them."""
        found = {}
        if fault is None:
            files = sorted(path for path in partial.iterdir() if SHARD.fullmatch(path.name))
            for path in files[dist.get_rank(self.group) :: dist.get_world_size(self.group)]:
                sync(path)
                found[path.name] = digest(path)
        return {name: one for part in self._all(found) for name, one in part.items()}

    def _publish(
        self, partial: Path, final: Path, described: dict, fault: Exception | None
    ) -> Exception | None:
        try:
            if fault is None:
                described[STATE] = describe((partial / STATE).read_bytes())
                write(partial / MANIFEST, json.dumps({"files": described}, indent=1).encode())
                publish(partial, final)
        except OSError as error:
            fault = error
        if fault is not None:
            shutil.rmtree(partial, ignore_errors=True)
        return fault


def tensors_of(
    model: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Weights by name and moments as field/name; apart from them the optimizer's plain counters."""
    parts, counters = {name: p.detach() for name, p in model.named_parameters()}, {}
    for name, p in model.named_parameters():
        for field, value in optimizer.state.get(p, {}).items():
            if value.dim():
                parts[f"{field}/{name}"] = value
            else:
                counters[f"{field}/{name}"] = value.item()
    return parts, counters


def read_whole(path: Path, wanted: Callable[[str], bool]) -> dict[str, Tensor]:
    """The tensors whose names are ``wanted``, put together in one process. Raises Damaged."""
    reader = HuggingFaceStorageReader(str(path))
    found = _metadata(path, reader)
    tensors = {
        name: torch.empty(tuple(one.size), dtype=one.properties.dtype)
        for name, one in found.items()
        if wanted(name)
    }
    with warnings.catch_warnings():  # that one process reads is what is wanted here
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        dcp.load(tensors, storage_reader=reader, no_dist=True)
    return tensors


def _empty_moments(model: nn.Module, counters: dict[str, float]) -> dict[str, Tensor]:
    """Room for Adam's two moments of each weight that has taken a step."""
    moved = {key.split("/", 1)[1] for key in counters}
    return {
        f"{field}/{name}": torch.zeros_like(p.detach())
        for name, p in model.named_parameters()
        for field in ("exp_avg", "exp_avg_sq")
        if name in moved
    }


def _require_same_shapes(
    path: Path, reader: HuggingFaceStorageReader, wanted: dict[str, Tensor]
) -> None:
    found = _metadata(path, reader)
    for name in sorted(found.keys() | wanted.keys()):
        saved = tuple(found[name].size) if name in found else None
        ours = tuple(wanted[name].shape) if name in wanted else None
        if saved != ours:
            raise ValueError(f"{path}: {name} is {saved}, the model's is {ours}")


def _metadata(path: Path, reader: HuggingFaceStorageReader) -> dict[str, Any]:
    try:
        return reader.read_metadata().state_dict_metadata
    except Exception as error:
        raise Damaged(f"{path}: unreadable ({error})") from error


def _local(tensor: Tensor) -> Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
