"""Data parallelism from scratch: the same weights everywhere, a different part of the batch each.

After the backward pass the ranks average their gradients, so all of them take the very step that
one process would have taken on the whole batch. Compare ``torch.nn.parallel.
DistributedDataParallel`` (Li et al. 2020), which does the same and lets buckets travel while the
backward pass goes on; here a bucket travels when it is full, and the backward pass waits.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.distributed.collectives import Transport, broadcast, ring_all_reduce
from course_lib.pretraining.loss import IGNORE


@dataclass
class Bucket:
    """Parameters whose gradients travel in one message, and those still without a gradient."""

    parameters: list[nn.Parameter]
    waiting: set[nn.Parameter] = field(default_factory=set)

    def reset(self) -> None:
        """Every gradient is awaited again."""
        self.waiting = set(self.parameters)


def make_buckets(parameters: list[nn.Parameter], limit_bytes: int) -> list[Bucket]:
    """Group parameters, last one first, into buckets of about ``limit_bytes``.

    Last first, as the backward pass reaches the last layer first. A small message costs nearly
    what a large one does (its latency), so gradients don't travel one by one; a single bucket
    could only leave when the backward pass is over. Source: Li et al. 2020, section 3.2.
    """
    if limit_bytes < 1:
        raise ValueError(f"limit_bytes={limit_bytes}: expected at least 1")
    buckets, size = [], 0
    for parameter in reversed(parameters):
        n_bytes = parameter.numel() * parameter.element_size()
        if not buckets or size + n_bytes > limit_bytes:
            buckets.append(Bucket([]))
            size = 0
        buckets[-1].parameters.append(parameter)
        size += n_bytes
    return buckets


class DataParallel:
    """Keeps the copies of ``model`` on all ranks equal through training.

    Rank 0's weights and buffers are handed to all at the start, frozen ones too: LoRA's base must
    be the same everywhere although it never trains. Call ``backward(loss)`` instead of
    ``loss.backward()``: it returns when every gradient is the mean over the ranks
    (``average=False`` leaves the sum: the classic mistake, kept to look at).
    """

    def __init__(
        self,
        model: nn.Module,
        transport: Transport,
        *,
        bucket_bytes: int = 1 << 16,
        average: bool = True,
    ):
        self.model, self.transport, self.average = model, transport, average
        copy_from_rank_zero([*model.parameters(), *model.buffers()], transport)
        parameters = [p for p in model.parameters() if p.requires_grad]
        self.buckets = make_buckets(parameters, bucket_bytes)
        self._bucket_of = {p: bucket for bucket in self.buckets for p in bucket.parameters}
        self._next = 0
        for parameter in parameters:
            parameter.register_post_accumulate_grad_hook(self._arrived)

    def backward(self, loss: Float[Tensor, ""]) -> None:
        """Backward pass with the exchange of gradients inside it.

        Raises ValueError where nothing trains, and where a parameter took no part.
        """
        if not self.buckets:
            raise ValueError("every parameter is frozen: expected one at least that requires_grad")
        self._next = 0
        for bucket in self.buckets:
            bucket.reset()
        loss.backward()
        if self._next < len(self.buckets):
            missing = [n for n, p in self.model.named_parameters() if self._is_waiting(p)]
            raise ValueError(f"no gradient for {missing}: every parameter must take part in a step")

    def _is_waiting(self, parameter: nn.Parameter) -> bool:
        bucket = self._bucket_of.get(parameter)
        return bucket is not None and parameter in bucket.waiting

    def _arrived(self, parameter: nn.Parameter) -> None:
        """Called by autograd when a gradient is final. Buckets leave in the same order everywhere:
        two ranks that sent different buckets first would add up different things."""
        self._bucket_of[parameter].waiting.discard(parameter)
        while self._next < len(self.buckets) and not self.buckets[self._next].waiting:
            self._exchange(self.buckets[self._next])
            self._next += 1

    def _exchange(self, bucket: Bucket) -> None:
        gradients = [p.grad for p in bucket.parameters]
        total = ring_all_reduce(flatten(gradients), self.transport)
        if self.average:
            total /= self.transport.size
        for gradient, part in zip(gradients, unflatten(total, gradients), strict=True):
            gradient.copy_(part)


def flatten(tensors: list[Tensor]) -> Shaped[Tensor, " n"]:
    """All numbers of ``tensors`` in one vector."""
    return torch.cat([t.detach().reshape(-1) for t in tensors])


def unflatten(flat: Shaped[Tensor, " n"], like: list[Tensor]) -> list[Tensor]:
    """The inverse of ``flatten``, in the shapes of ``like``. Numbers beyond them are padding."""
    parts = flat[: sum(t.numel() for t in like)].split([t.numel() for t in like])
    return [part.view(t.shape) for part, t in zip(parts, like, strict=True)]


@torch.no_grad()
def copy_from_rank_zero(tensors: list[Tensor], transport: Transport) -> None:
    """Overwrite ``tensors`` with rank 0's. Each dtype travels by itself, so no bit is rounded."""
    for dtype in sorted({t.dtype for t in tensors}, key=str):
        some = [t for t in tensors if t.dtype == dtype]
        flat = broadcast(flatten(some), transport)
        for tensor, part in zip(some, unflatten(flat, some), strict=True):
            tensor.copy_(part)


def rows_of_rank(rows: int, rank: int, size: int) -> slice:
    """Which rows of a batch are rank's: equal blocks. ValueError where they can't be equal."""
    if rows % size:
        raise ValueError(f"{rows} rows don't split over {size} ranks: expected a multiple")
    return slice(rank * rows // size, (rank + 1) * rows // size)


def shard_loss(
    logits: Float[Tensor, "batch seq vocab"],
    targets: Int[Tensor, "batch seq"],
    all_tokens: int,
    size: int,
) -> Float[Tensor, ""]:
    """This rank's addend, such that the mean over the ranks is the mean over all tokens.

    size / T * Σ -log p over the rank's own tokens, T the tokens of all ranks (IGNORE left out).
    Rows carry different amounts of padding, so ranks hold different numbers of tokens: the mean of
    their means is *not* the mean, it favours the tokens of the emptier shards.
    """
    total = F.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="sum"
    )
    return total * size / all_tokens
