"""The same step on several processes: each takes a share of the rows, the gradients are added up.

``torchrun --nproc-per-node=N -m …`` starts N processes, the *ranks*, and tells each its number in
the environment. Every rank holds all the weights, reads every N-th row of the batch, and adds its
gradients to the others' (data parallelism). A rank that dies or hangs must end the run: a sum that
waits for ever costs more than a crash.
"""

import datetime
import os
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class LostRank(RuntimeError):
    """Another rank died, or gave no answer within the timeout."""


@dataclass(frozen=True)
class Ranks:
    """This process's number and how many there are. One process needs no group."""

    rank: int = 0
    size: int = 1

    @classmethod
    def join(
        cls, timeout: float, device: torch.device | str = "cpu", *, alone: bool = False
    ) -> "Ranks":
        """The group that torchrun describes in the environment; without one, a single process.

        ``alone``: make a group of one then, for an engine that wants a group in any case.

        Ranks on a ``device`` of type cuda talk by NCCL, each from its own GPU; others by Gloo.

        ``timeout``: seconds that a sum waits for a rank that doesn't answer. It must be above the
        time of the longest save, which rank 0 does alone while the others wait.
        """
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1 and not alone:
            return cls()
        on_gpu = torch.device(device).type == "cuda"
        if on_gpu and size > 1:
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        backend, wait = "nccl" if on_gpu else "gloo", datetime.timedelta(seconds=timeout)
        try:
            if size == 1:
                store = dist.HashStore()
                dist.init_process_group(backend, timeout=wait, store=store, rank=0, world_size=1)
            else:
                dist.init_process_group(backend, timeout=wait)
        except (RuntimeError, dist.DistError) as error:
            raise _lost(f"the {size} ranks didn't meet", error) from error
        return cls(rank=dist.get_rank(), size=size)

    @property
    def first(self) -> bool:
        """Rank 0 alone locks, logs and saves."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all ranks, the same bits on each, in place. Raises LostRank."""
        if self.size > 1:
            try:
                dist.all_reduce(tensor)
            except RuntimeError as error:
                raise _lost(f"rank {self.rank} of {self.size}", error) from error
        return tensor

    def add_gradients(self, model: nn.Module) -> None:
        """Replace every gradient by its sum over the ranks: one message for all of them.

        The sum, not the mean: the loss of each rank was divided by the tokens of all (see
        ``hooks.Run.loss``). DDP cuts the message into buckets that travel while the backward pass
        still runs; here it waits for the end, which is slower and easier to read.
        """
        if self.size == 1:
            return
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        flat = self.sum(torch.cat([gradient.flatten() for gradient in gradients]))
        start = 0
        for gradient in gradients:
            gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()

    def from_first(self, value: Any) -> Any:
        """Rank 0's value, on every rank."""
        return self.gather(value)[0]

    def gather(self, value: Any) -> list[Any]:
        """Every rank's value, in order of rank, on every rank. Raises LostRank."""
        values = [value] * self.size
        if self.size > 1:
            try:
                dist.all_gather_object(values, value)
            except RuntimeError as error:
                raise _lost(f"rank {self.rank} of {self.size}", error) from error
        return values

    def leave(self) -> None:
        """Close the group at the end of a run in which all ranks took part."""
        if dist.is_initialized():
            dist.destroy_process_group()


def _lost(who: str, error: Exception) -> LostRank:
    first_line = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return LostRank(f"lost a rank: {who}: {first_line}")
