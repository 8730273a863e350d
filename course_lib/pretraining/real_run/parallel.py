"""Runs past one machine's memory, on PyTorch's own engines: DDP, FSDP2, and tensor parallelism.

    ours       one flat sum of all gradients (`ranks.Ranks.add_gradients`): the version to read
    ddp        DistributedDataParallel: the sum in buckets, while the backward pass still runs
    fsdp       FSDP2: every rank keeps a part of weights, gradients and moments (ZeRO stage 3)
    fsdp+tp    FSDP2 between groups of ranks; within a group each matrix is split by heads and by
               hidden units (Megatron: Shoeybi et al. 2019, section 3)

All take the same rows and the same steps: the losses are those of one process, up to the order of
additions in float32.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    RowwiseParallel,
    parallelize_module,
)

from course_lib.architecture.blocks.layers import Attention
from course_lib.architecture.config import ModelConfig
from course_lib.architecture.decoder import Decoder
from course_lib.pretraining.checkpoints.sharded import read_whole
from course_lib.pretraining.real_run.ranks import Ranks

KINDS = ("ours", "ddp", "fsdp", "fsdp+tp")


@dataclass(frozen=True)
class Layout:
    """Which engine, and over how many ranks each matrix is split (1: none is)."""

    kind: str = "ours"
    tensor: int = 1

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"parallel={self.kind!r}: expected one of {', '.join(KINDS)}")
        if self.tensor < 1 or (self.kind != "fsdp+tp" and self.tensor != 1):
            raise ValueError(
                f"tensor={self.tensor} with parallel={self.kind}: expected 1, or from 2 on with "
                "fsdp+tp"
            )

    @property
    def sharded(self) -> bool:
        """Whether a rank holds parts of weights: they are then saved in parts too."""
        return self.kind.startswith("fsdp")

    def mean_over(self, ranks: Ranks) -> int:
        """Over how many ranks the engine averages gradients; ours adds them up: 1."""
        return 1 if self.kind == "ours" else ranks.size // self.tensor

    def rows_of(self, ranks: Ranks) -> tuple[int, int]:
        """Which share of the rows a rank reads, and of how many: a tensor group reads the same."""
        if ranks.size % self.tensor:
            raise ValueError(
                f"{ranks.size} rank(s) in groups of {self.tensor}: expected a multiple of the group"
            )
        return ranks.rank // self.tensor, ranks.size // self.tensor


def require_splittable(config: ModelConfig, tensor: int) -> None:
    """Raises ValueError where the model's matrices can't be split over ``tensor`` ranks."""
    if config.latent is not None or config.mlp == "moe" or config.qk_norm or config.bias:
        raise ValueError(
            "fsdp+tp splits grouped-query attention and dense blocks without biases or norms on "
            "queries and keys; expected such a model, or parallel=fsdp"
        )
    for name in ("n_heads", "n_kv_heads", "d_ff"):
        if getattr(config, name) % tensor:
            raise ValueError(
                f"{name}={getattr(config, name)} over {tensor} ranks: expected a multiple of them"
            )


class SplitProjection(nn.Module):
    """Queries, keys and values from three matrices instead of one, so that each splits by heads.

    A third of the joined matrix's rows wouldn't be a third of each. The numbers are the same.
    """

    def __init__(self, joined: nn.Linear, sizes: list[int]) -> None:
        super().__init__()
        for name, weight in zip("qkv", joined.weight.detach().split(sizes), strict=True):
            layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
            layer.weight = nn.Parameter(weight.clone())
            setattr(self, name, layer)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.q(x), self.k(x), self.v(x)), dim=-1)


def wrapped(model: nn.Module) -> nn.Module:
    """torch's DistributedDataParallel around a model: the weights stay the same objects."""
    if not dist.is_initialized():
        return model
    ids = [torch.cuda.current_device()] if next(model.parameters()).is_cuda else None
    return nn.parallel.DistributedDataParallel(model, device_ids=ids)


def parallelized(model: Decoder, layout: Layout, ranks: Ranks) -> Decoder:
    """``model``, whose weights become parts where the layout says so; changed in place.

    Every rank must hold the same weights before. Raises ValueError where they can't be split.
    """
    if not layout.sharded:
        return model
    if layout.tensor > 1:
        require_splittable(model.config, layout.tensor)
    shape = (ranks.size // layout.tensor, layout.tensor)
    mesh = init_device_mesh(model.device.type, shape, mesh_dim_names=("data", "tensor"))
    for block in model.blocks:
        if isinstance(block.attention, Attention) and not model.config.bias:
            _split(block.attention)
        if layout.tensor > 1:
            _by_heads(block, mesh["tensor"])
        fully_shard(block, mesh=mesh["data"])
    fully_shard(model, mesh=mesh["data"])
    return model


def _split(attention: Attention) -> None:
    """Three matrices in place of one, whether or not they are split now: a checkpoint fits both."""
    size, joined = attention.d_head, attention.qkv
    keys = attention.n_kv_heads * size
    attention.qkv = SplitProjection(joined, [attention.n_heads * size, keys, keys])


def _by_heads(block: nn.Module, mesh: DeviceMesh) -> None:
    """Column then row: one sum at the end of attention, one at the end of the feed-forward part."""
    columns = {f"attention.qkv.{name}": ColwiseParallel() for name in "qkv"}
    columns |= {f"mlp.{name}": ColwiseParallel() for name, _ in block.mlp.named_children()}
    rows = {"attention.out": RowwiseParallel(), "mlp.down": RowwiseParallel()}
    parallelize_module(block, mesh, columns | rows)
    block.attention.n_heads //= mesh.size()
    block.attention.n_kv_heads //= mesh.size()


def joined_name(name: str) -> tuple[str, int]:
    """A weight's name in the decoder, and which third of it this is (0: the first, or all)."""
    found = re.fullmatch(r"(.*\.qkv)\.([qkv])\.weight", name)
    return (f"{found[1]}.weight", "qkv".index(found[2])) if found else (name, 0)


def unsharded(tensor: Tensor) -> Tensor:
    """All of a tensor, of which a rank may hold a part. Every rank must ask."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def full_weights(model: Decoder) -> dict[str, Tensor]:
    """Every weight, whole and by its name in a `Decoder`, on every rank."""
    return _joined({name: unsharded(p.detach()) for name, p in model.named_parameters()})


def load_whole(path: Path, model: Decoder) -> None:
    """Fill a plain decoder, in one process, from a checkpoint that ranks saved in parts.

    Raises ValueError where it is of another model.
    """
    weights = _joined(read_whole(path, lambda name: "/" not in name))
    ours = {name: tuple(p.shape) for name, p in model.named_parameters()}
    saved = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if ours != saved:
        differ = sorted(name for name in ours | saved if ours.get(name) != saved.get(name))
        raise ValueError(
            f"{path}: {differ[0]} is {saved.get(differ[0])}, the model's is {ours.get(differ[0])}"
        )
    model.load_state_dict(weights)


def _joined(parts: dict[str, Tensor]) -> dict[str, Tensor]:
    found: dict[str, list[Tensor]] = {}
    for name, tensor in sorted(parts.items(), key=lambda item: joined_name(item[0])):
        found.setdefault(joined_name(name)[0], []).append(tensor)
    return {name: torch.cat(tensors) for name, tensors in found.items()}
