"""What a run does around each step of ``train``: share the work, judge it, save it, write it down.

``train`` calls, in this order: ``begin`` once; then for each step ``batch_at``, ``loss``,
``gather``, ``allow``, ``log_step`` (now and then) and ``end``. ``batch_at`` opens a ``Step`` and
``end`` closes it: what stands between them has it in hand, and fails loudly in any other order.
"""

import itertools
import math
import time
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course_lib.data.mixing.loader import PackedLoader
from course_lib.data.mixing.packing import IGNORE, Packed, pack
from course_lib.data.mixing.shards import Shards
from course_lib.pretraining.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from course_lib.pretraining.checkpoints.faults import (
    Guard,
    Verdict,
    first_broken_layer,
    first_broken_parameter,
)
from course_lib.pretraining.checkpoints.folders import checkpoints, latest_valid, step_folder
from course_lib.pretraining.checkpoints.sharded import ShardedCheckpoints
from course_lib.pretraining.loop.train import Hooks, StepLog
from course_lib.pretraining.loop.validation import validation_loss
from course_lib.pretraining.loss import Batch, cross_entropy, document_ids
from course_lib.pretraining.precision.autocast import autocast
from course_lib.pretraining.real_run.config import Exit, RunConfig
from course_lib.pretraining.real_run.folder import RunLog
from course_lib.pretraining.real_run.parallel import wrapped
from course_lib.pretraining.real_run.ranks import Ranks
from course_lib.pretraining.real_run.signals import StopRequest


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step that has begun. ``number``: of steps before it. ``tokens``: of all ranks.

    ``share``: this rank's part of the tokens. ``stop``: whether some rank was asked to stop.
    """

    number: int
    inputs: Int[Tensor, "batch seq"]
    tokens: int
    share: float
    stop: bool


class Run(Hooks):
    """One process's share of a run, which has joined the ranks and holds the folder.

    ``fault``: what stopped it, if a number did. ``tokens``: learned from so far, on all ranks.
    """

    def __init__(
        self, config: RunConfig, ranks: Ranks, log: RunLog, feed: PackedLoader, asked: StopRequest
    ):
        self.config, self.ranks, self.log, self.feed, self.asked = config, ranks, log, feed, asked
        self.guard, self.tokens = Guard(config.policy), 0
        self.fault: str | None = None
        self.stopped = False
        self._step: Step | None = None
        self.validation = held_out(config)  # on every rank, so that all refuse it alike
        self.shards: ShardedCheckpoints | None = None
        if config.layout.sharded:
            self.shards = ShardedCheckpoints(config.checkpoints, config.keep)

    @property
    def step(self) -> Step:
        """The step that is open now."""
        assert self._step is not None, "no step is open: batch_at opens one, end closes it"
        return self._step

    def begin(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
        """Go on from the newest whole checkpoint. All ranks take the one that rank 0 names."""
        folder, newest = self.config.checkpoints, None
        if self.ranks.first:
            newest = latest_valid(folder, lambda text: self.log.write(event="refused", what=text))
        name = self.ranks.from_first(newest.name if newest else None)
        if name is None:
            if any(checkpoints(folder)):
                raise ValueError(f"{folder}: all are damaged, remove them to begin anew")
            self.log.write(event="begun", ranks=self.ranks.size)
            return 0
        load = self.shards.load if self.shards else load_checkpoint
        state = load(folder / name, model, optimizer)
        if "config" not in state:
            raise ValueError(f"{folder / name} was saved by train() itself, not by a run")
        self.config.require_same(state["config"], folder / name)
        self.feed.load_state_dict(state["position"])
        self.guard.load_state_dict(state["guard"])
        self.tokens = state["tokens"]
        self.log.write(
            event="resumed", step=state["step"], ranks=self.ranks.size, saved_by=state["ranks"]
        )
        return state["step"]

    def forward(self, model: nn.Module) -> nn.Module:
        """DDP goes around the model; the other engines are in it already."""
        return wrapped(model) if self.config.layout.kind == "ddp" else model

    def batch_at(self, step: int) -> Batch:
        """This rank's rows of the next step."""
        assert self._step is None, "batch_at: the step before is still open"
        inputs, targets = self.feed.batch_at(step)
        kept = int((targets != IGNORE).sum())
        # One message tells all ranks how many tokens there are, and whether one was asked to stop.
        written = self.shards is not None and self.shards.written
        said = [kept, int(self.asked.number > 0), int(written)]
        counts = torch.tensor(said, device=self.config.device)
        tokens, asked, written = self.ranks.sum(counts).tolist()
        tokens //= self.config.layout.tensor  # the ranks of a tensor group read the same rows
        self._step = Step(
            number=step, inputs=inputs, tokens=tokens, share=kept / tokens, stop=asked > 0
        )
        self.tokens += tokens
        if self.shards is not None and written == self.ranks.size:
            self._finish()
        return inputs, targets

    def loss(
        self, logits: Float[Tensor, "batch seq vocab"], targets: Int[Tensor, "batch seq"]
    ) -> Float[Tensor, ""]:
        """This rank's addend to the mean over all ranks' tokens: its mean, by its share of them."""
        share = self.step.share * self.config.layout.mean_over(self.ranks)
        return cross_entropy(logits, targets) * share

    def gather(self, model: nn.Module, loss: Tensor) -> Tensor:
        """Add up gradients and losses. The result has the same bits on every rank."""
        layout = self.config.layout
        if layout.kind == "ours":
            self.ranks.add_gradients(model)
        counted = layout.tensor * layout.mean_over(self.ranks)
        return self.ranks.sum(loss.detach().clone()) / counted

    def allow(self, step: int, model: nn.Module, loss: Tensor, norm: Tensor) -> bool:
        """Ask the guard. Its numbers are the same on every rank, so all decide alike."""
        verdict = self.guard.judge(loss.item(), norm.item())
        if verdict.kind:
            self._report(step, verdict, model)
        return verdict.update

    def log_step(self, log: StepLog) -> None:
        """Write a step down. JSON has no NaN: a number that is none is null."""
        self.log.write(
            event="step",
            step=log.step,
            loss=log.loss if math.isfinite(log.loss) else None,
            lr=log.lr,
            tokens=self.tokens,
            grad_norm=log.grad_norm if math.isfinite(log.grad_norm) else None,
            seconds=round(log.seconds, 3),
        )

    def end(
        self, step: int, model: nn.Module, optimizer: torch.optim.Optimizer, last: bool
    ) -> bool:
        """Save where it is due. A step that stopped the run is undone: it wasn't learned from."""
        self.stopped, failed = self.step.stop, self.fault is not None
        stop = self.stopped or failed
        if last or stop or step % self.config.train.save_every == 0:
            self._save(step - failed, model, optimizer, self._state(step, failed))
        if self.shards is not None and (last or stop):
            self._finish()
        self._step = None
        return stop

    def _save(
        self, finished: int, model: nn.Module, optimizer: torch.optim.Optimizer, state: dict
    ) -> None:
        """Rank 0 alone; where each holds a part, all of them, and the writing goes on behind."""
        folder, began = self.config.checkpoints, time.perf_counter()
        if self.shards is not None:
            self._finish()
            self.shards.begin(finished, model, optimizer, state)
        elif self.ranks.first:
            save_checkpoint(folder, finished, model, optimizer, state, self.config.keep)
            seconds = round(time.perf_counter() - began, 3)
            name = step_folder(folder, finished).name
            self.log.write(event="saved", step=finished, name=name, seconds=seconds)
        if self.validation is not None and (self.shards is not None or self.ranks.first):
            loss = validation_loss(model, self.validation, self.feed.shards.eos_id)
            fields = {"loss": loss.per_token, "tokens": loss.tokens}
            self.log.write(event="validation", step=finished, **fields)

    def _finish(self) -> None:
        """Name the folder of a save that was under way, where there was one."""
        began = time.perf_counter()
        if (path := self.shards.finish()) is not None:
            step, seconds = int(path.name[5:]), round(time.perf_counter() - began, 3)
            self.log.write(event="saved", step=step, name=path.name, seconds=seconds)

    def close(self) -> Exit:
        """How it ended, after the last step; a fault is in the log already."""
        if self.fault:
            return Exit.BAD_NUMBER
        event = "stopped" if self.stopped else "done"
        self.log.write(event=event, tokens=self.tokens, signal=self.asked.number)
        return Exit.SAVED if self.stopped else Exit.DONE

    def _state(self, step: int, failed: bool) -> dict:
        """What a checkpoint holds besides weights and optimizer."""
        self.guard.bad_in_a_row = 0 if failed else self.guard.bad_in_a_row
        return {
            "config": self.config.identity(),
            "ranks": self.ranks.size,
            "tokens": self.tokens - failed * self.step.tokens,
            "position": self.feed.state_dict(step - failed),
            "guard": self.guard.state_dict(),
        }

    def _report(self, step: int, verdict: Verdict, model: nn.Module) -> None:
        """Write a bad step down, with its place and its documents; a reason to stop is a fault."""
        places = self.ranks.gather(self._place(model) if verdict.kind == "nonfinite" else None)
        # A NaN of one rank is in every rank's summed gradient: an output says more.
        named = [(rank, place) for rank, place in enumerate(places) if place]
        first = [(r, place) for r, place in named if not place.startswith("gradient")] or named[:1]
        found = [f"rank {rank}: {place}" for rank, place in first]
        documents = self.feed.documents_at(self.step.number)
        self.log.write(
            event=verdict.kind,
            step=step,
            action="stopped" if verdict.stop else "warned" if verdict.update else "skipped",
            reason=verdict.reason,
            where=found,
            documents=documents,
        )
        if verdict.stop:
            self.fault = (
                f"step {step}: {verdict.reason}; first seen at {', '.join(found) or 'no layer'}"
                f"; documents {documents}; no update was made, step {step - 1} is saved"
            )

    def _place(self, model: nn.Module) -> str | None:
        """Where this rank's numbers broke: a layer of the forward pass, else a gradient."""
        inputs = self.step.inputs.to(self.config.device)
        with autocast(inputs.device):
            layer = first_broken_layer(model, inputs, document_ids(inputs, self.feed.shards.eos_id))
        gradient = first_broken_parameter(model)
        return layer or (f"gradient of {gradient}" if gradient else None)


def held_out(config: RunConfig, most: int = 64) -> Packed | None:
    """The first ``most`` rows of the validation shards, the same ones at every look.

    Raises ValueError where their vocabulary isn't that of the tokens trained on.
    """
    if config.validation is None:
        return None
    shards = Shards(config.validation)
    if shards.vocab_size != config.model.vocab_size:
        raise ValueError(
            f"{config.validation} has a vocabulary of {shards.vocab_size}, expected "
            f"{config.model.vocab_size}, that of {config.tokens}"
        )
    documents = itertools.islice(map(shards.__getitem__, range(len(shards))), most * 8)
    return pack([ids.tolist() for ids in documents], config.seq_len, shards.eos_id)[:most]
