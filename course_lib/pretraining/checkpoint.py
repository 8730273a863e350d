"""Checkpoints: weights and optimizer state in one safetensors file, written whole or not at all."""

import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn


def save_checkpoint(
    path: Path, step: int, model: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Write weights, optimizer state and the number of finished steps to ``path``, atomically.

    The file appears by a rename, so that a process killed while it writes leaves the last one.
    """
    tensors = {f"model.{name}": p.detach() for name, p in model.named_parameters()}
    for name, p in model.named_parameters():
        for field, value in optimizer.state.get(p, {}).items():
            tensors[f"optimizer.{field}.{name}"] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file({k: v.contiguous() for k, v in tensors.items()}, partial, {"step": str(step)})
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(partial, path)


@torch.no_grad()
def load_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Fill model and optimizer from ``path``; return the number of finished steps.

    Raises ValueError that names the file where it is damaged or of another model.
    """
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            step = int(file.metadata()["step"])
    except Exception as error:
        raise ValueError(f"{path}: not a readable checkpoint ({error})") from error
    for name, p in model.named_parameters():
        saved = tensors.get(f"model.{name}")
        if saved is None or saved.shape != p.shape:
            found = None if saved is None else tuple(saved.shape)
            raise ValueError(f"{path}: {name} is {found}, the model's is {tuple(p.shape)}")
        p.copy_(saved)
        prefix, suffix = "optimizer.", f".{name}"
        fields = [k for k in tensors if k.startswith(prefix) and k.endswith(suffix)]
        optimizer.state[p] = {
            k[len(prefix) : -len(suffix)]: tensors[k].to(p.device) for k in fields
        }
    return step
