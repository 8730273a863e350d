"""One training step, four ways: our data parallelism and sharding, and torch's.

Every engine takes the same model, weights and batches, and does: loss of this rank's rows →
gradients averaged over the ranks → clip → AdamW. They differ in who keeps what and who sends what.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from course_lib.architecture.decoder import Decoder
from course_lib.distributed.collectives import Transport
from course_lib.distributed.data_parallel import DataParallel, rows_of_rank, shard_loss
from course_lib.distributed.sharding import ShardedOptimizer
from course_lib.pretraining.loss import IGNORE
from course_lib.pretraining.optimizers.adamw import AdamW, param_groups

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True, kw_only=True)
class StepConfig:
    """What all engines share. ``eos_id`` begins each document of a row."""

    lr: float
    eos_id: int
    weight_decay: float = 0.1
    clip: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step's loss (mean over all tokens of all ranks) and gradient norm before clipping."""

    loss: float
    grad_norm: float


@dataclass
class Engine:
    """A model, and what turns a loss of this rank into a step of all."""

    model: nn.Module
    step: Callable[[Tensor], float]  # backward, exchange, clip, move; returns the gradient norm
    optimizer_numbers: Callable[[], int]  # numbers of optimizer state on this rank


def _adamw(groups: list[dict], config: StepConfig) -> AdamW:
    return AdamW(groups, lr=config.lr)


def _finish(model: nn.Module, optimizer: torch.optim.Optimizer, clip: float) -> float:
    """Clip, move, and clear the gradients.

    Now, not between forward and backward: FSDP2 shows the gathered weights then, and clearing
    their gradients would leave those of the shards to pile up over the steps.
    """
    norm = nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return (norm.full_tensor() if isinstance(norm, DTensor) else norm).item()


def _state_numbers(optimizer: torch.optim.Optimizer) -> int:
    """Numbers this rank keeps of the moments (a DTensor's own part)."""
    found = [v for state in optimizer.state.values() for v in state.values() if v.ndim > 0]
    return sum((v.to_local() if isinstance(v, DTensor) else v).numel() for v in found)


def our_ddp(
    model: Decoder, transport: Transport, config: StepConfig, *, average: bool = True
) -> Engine:
    """``DataParallel``: whole gradients in a ring, whole optimizer on every rank."""
    parallel = DataParallel(model, transport, average=average)
    optimizer = _adamw(param_groups(model, config.weight_decay), config)

    def step(loss: Tensor) -> float:
        parallel.backward(loss)
        return _finish(model, optimizer, config.clip)

    return Engine(model, step, lambda: _state_numbers(optimizer))


def our_zero(model: Decoder, transport: Transport, config: StepConfig) -> Engine:
    """``ShardedOptimizer``: gradients scattered, a part of the optimizer, weights gathered."""
    groups = param_groups(model, config.weight_decay)
    sharded = ShardedOptimizer(groups, transport, lambda own: _adamw(own, config))

    def step(loss: Tensor) -> float:
        loss.backward()
        norm = sharded.step(config.clip)
        model.zero_grad(set_to_none=True)
        return norm

    return Engine(model, step, lambda: sharded.state_numbers)


def torch_ddp(model: Decoder, transport: Transport, config: StepConfig) -> Engine:
    """torch's DistributedDataParallel."""
    parallel = nn.parallel.DistributedDataParallel(model)
    optimizer = _adamw(param_groups(model, config.weight_decay), config)

    def step(loss: Tensor) -> float:
        loss.backward()
        return _finish(model, optimizer, config.clip)

    return Engine(parallel, step, lambda: _state_numbers(optimizer))


def torch_fsdp(model: Decoder, transport: Transport, config: StepConfig) -> Engine:
    """torch's FSDP2: weights are sharded too, and gathered block by block when needed."""
    for block in model.blocks:
        fully_shard(block)
    fully_shard(model)
    optimizer = _adamw(param_groups(model, config.weight_decay), config)

    def step(loss: Tensor) -> float:
        loss.backward()
        return _finish(model, optimizer, config.clip)

    return Engine(model, step, lambda: _state_numbers(optimizer))


ENGINES = {
    "our DDP": our_ddp,
    "our ZeRO": our_zero,
    "torch DDP": torch_ddp,
    "torch FSDP2": torch_fsdp,
    "not averaged": lambda model, transport, config: our_ddp(
        model, transport, config, average=False
    ),
}


def run_steps(
    engine: Engine,
    batches: list[Batch],
    transport: Transport,
    eos_id: int,
    *,
    by_tokens: bool = True,
) -> list[Step]:
    """Train on ``batches``, each rank on its own rows of each.

    ``by_tokens=False`` takes each rank's own mean instead of the mean over all tokens: the mean of
    means, a mistake wherever shards hold different numbers of tokens.
    """
    steps = []
    for inputs, targets in batches:
        rows = rows_of_rank(len(inputs), transport.rank, transport.size)
        own = int((targets[rows] != IGNORE).sum())
        tokens = int((targets != IGNORE).sum()) if by_tokens else own * transport.size
        documents = (inputs[rows] == eos_id).cumsum(1)
        logits = engine.model(inputs[rows], documents=documents)
        loss = shard_loss(logits, targets[rows], tokens, transport.size)
        norm = engine.step(loss)
        shown = loss.detach().clone()
        dist.all_reduce(shown)  # for the log alone: a number, not counted by our transport
        steps.append(Step(loss=shown.item() / transport.size, grad_norm=norm))
    return steps


def full_weights(model: nn.Module) -> dict[str, Tensor]:
    """Every weight, whole, by its name in the decoder, whatever wraps or shards it."""
    inner = model.module if isinstance(model, nn.parallel.DistributedDataParallel) else model
    weights = {name: p.detach() for name, p in inner.named_parameters()}
    return {n: w.full_tensor() if isinstance(w, DTensor) else w for n, w in weights.items()}


def spread(weights: dict[str, Tensor]) -> float:
    """The largest difference of any weight between any two ranks: 0 where ranks are in step."""
    flat = torch.cat([w.reshape(-1) for w in weights.values()])
    high, low = flat.clone(), flat.clone()
    dist.all_reduce(high, op=dist.ReduceOp.MAX)
    dist.all_reduce(low, op=dist.ReduceOp.MIN)
    return (high - low).max().item()
