"""Sharded training from scratch: each rank keeps the optimizer's state for its part alone.

AdamW keeps two more numbers a weight. In plain data parallelism every rank keeps all of them, and
they are all equal. Here rank r owns the r-th part of all weights: it receives the mean gradient of
that part only, moves it, and hands the moved weights to the others. Source: Rajbhandari et al.
2020 (ZeRO), stages 1 and 2; the library's next stage, sharded weights, is FSDP2's ``fully_shard``.

An all-reduce *is* a reduce-scatter and an all-gather. ZeRO only moves the optimizer's step between
the two, so it sends no byte more.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from course_lib.architecture.ops import at_least_float32
from course_lib.distributed.collectives import (
    Transport,
    padded,
    ring_all_gather,
    ring_all_reduce,
    ring_reduce_scatter,
)
from course_lib.distributed.data_parallel import copy_from_rank_zero, flatten, unflatten


@dataclass
class ShardedGroup:
    """A parameter group: its parameters, and the part of them that this rank owns."""

    parameters: list[nn.Parameter]
    shard: nn.Parameter

    @classmethod
    def of(cls, parameters: list[nn.Parameter], transport: Transport) -> "ShardedGroup":
        """Cut the flattened parameters in equal parts, the last one padded with zeros."""
        chunks = padded(flatten(parameters), transport.size).chunk(transport.size)
        return cls(parameters=parameters, shard=nn.Parameter(chunks[transport.rank].clone()))


class ShardedOptimizer:
    """An optimizer over ``groups`` whose state is cut among the ranks.

    ``groups`` are torch's parameter groups; ``make`` builds the optimizer of one rank's parts.
    Any optimizer will do that moves each weight by its own gradient alone (AdamW does; one that
    needs whole matrices, as Muon, would not). Frozen parameters are made equal and left alone.
    Raises ValueError where all are frozen.
    """

    def __init__(
        self,
        groups: list[dict],
        transport: Transport,
        make: Callable[[list[dict]], torch.optim.Optimizer],
    ):
        self.transport = transport
        self.groups, own = [], []
        for group in groups:
            copy_from_rank_zero(group["params"], transport)
            if moving := [p for p in group["params"] if p.requires_grad]:
                self.groups.append(ShardedGroup.of(moving, transport))
                own.append({**group, "params": [self.groups[-1].shard]})
        if not own:
            raise ValueError("every parameter is frozen: expected one at least that requires_grad")
        self.optimizer = make(own)

    def step(self, clip: float | None = None) -> float:
        """Average the gradients, move this rank's part, share it. Returns the gradient's norm.

        Raises ValueError for a parameter without a gradient: each must take part in a step.
        """
        for i, group in enumerate(self.groups):
            missing = [tuple(p.shape) for p in group.parameters if p.grad is None]
            if missing:
                raise ValueError(
                    f"no gradient for parameters of shape {missing} in group {i}: every parameter "
                    "must take part in a step, or be frozen before the optimizer is made"
                )
            gradient = padded(flatten([p.grad for p in group.parameters]), self.transport.size)
            group.shard.grad = ring_reduce_scatter(gradient, self.transport) / self.transport.size
        norm = self._norm()
        if clip is not None and norm > clip:
            for group in self.groups:
                group.shard.grad *= clip / (norm + 1e-6)  # torch's clip_grad_norm_ adds 1e-6 too
        self.optimizer.step()
        self._share()
        return norm

    @property
    def state_numbers(self) -> int:
        """How many numbers of optimizer state this rank keeps."""
        states = self.optimizer.state.values()
        tensors = [v for state in states for v in state.values() if isinstance(v, Tensor)]
        return sum(v.numel() for v in tensors if v.ndim > 0)

    def _norm(self) -> float:
        """The norm of the whole gradient: squares add up over the parts."""
        parts = [at_least_float32(group.shard.grad) for group in self.groups]
        squares = sum(part.square().sum() for part in parts)
        uncounted = replace(self.transport)  # one number: not part of the traffic we count
        return ring_all_reduce(squares.reshape(1), uncounted).sqrt().item()

    @torch.no_grad()
    def _share(self) -> None:
        for group in self.groups:
            full = ring_all_gather(group.shard.detach(), self.transport)
            parts = unflatten(full, group.parameters)
            for parameter, part in zip(group.parameters, parts, strict=True):
                parameter.copy_(part)
