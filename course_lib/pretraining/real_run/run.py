"""A run that isn't lost: a folder, a lock, a log, checkpoints, signals, policies and ranks.

    python -m course_lib.pretraining.real_run.run --tokens shards --out runs/a
    torchrun --nproc-per-node=8 -m course_lib.pretraining.real_run.run --tokens shards --out runs/a

The same command begins a run and goes on with it. ``Run`` is ``train``'s hooks; the loop is there,
and what may go wrong around it is here. How it ended is the exit code: see ``Exit``.
"""

import argparse
import math
import os
import signal
import sys
import time
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course_lib import runtime
from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.data.mixing.loader import LoaderConfig, PackedLoader
from course_lib.data.mixing.shards import Shards
from course_lib.pretraining.checkpoints.checkpoint import (
    checkpoints,
    latest_valid,
    load_checkpoint,
    save_checkpoint,
    step_folder,
)
from course_lib.pretraining.checkpoints.faults import (
    Guard,
    Policy,
    first_broken_layer,
    first_broken_parameter,
)
from course_lib.pretraining.loop.train import Hooks, StepLog, TrainConfig, train
from course_lib.pretraining.loss import IGNORE, Batch, cross_entropy, document_ids
from course_lib.pretraining.real_run.folder import RunLog, Taken, locked
from course_lib.pretraining.real_run.ranks import LostRank, Ranks

FREE = ("log_every", "save_every")  # what may differ when a run goes on


class Exit(IntEnum):
    """How a run ended. 75 is EX_TEMPFAIL of sysexits.h: nothing is wrong, start it again."""

    DONE = 0
    REFUSED = 2
    BAD_NUMBER = 3
    STORAGE = 4
    TAKEN = 5
    LOST_RANK = 6
    SAVED = 75


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Where, what, and how a run behaves. ``timeout``: seconds to wait for a rank."""

    out: Path
    tokens: Path
    model: ModelConfig
    train: TrainConfig
    seq_len: int
    keep: int = 2
    timeout: float = 600.0
    policy: Policy = field(default_factory=Policy)

    def identity(self) -> dict:
        """What a checkpoint must have been made with, by dotted name."""
        parts = {"model": self.model.to_dict(), "train": asdict(self.train)}
        flat = {
            f"{part}.{name}": value
            for part, values in parts.items()
            for name, value in values.items()
            if name not in FREE
        }
        return flat | {"seq_len": self.seq_len}


class Run(Hooks):
    """One process's share of a run. ``start`` does it all and returns how it ended."""

    def __init__(self, config: RunConfig):
        self.config, self.guard = config, Guard(config.policy)
        self.ranks, self.log = Ranks(), RunLog(config.out / "log.jsonl", writes=False)
        self.tokens, self.signal, self.stopping, self.fault = 0, 0, False, None

    def start(self) -> Exit:
        """Join the ranks, lock the folder, train; a fault is named on the error stream."""
        old = {s: signal.signal(s, self._on_signal) for s in (signal.SIGTERM, signal.SIGINT)}
        try:
            self.ranks = Ranks.join(self.config.timeout)
            with locked(self.config.out, self.ranks):
                self.log = RunLog(self.config.out / "log.jsonl", writes=self.ranks.first)
                code = self._train()
            self.ranks.leave()
            return code
        except LostRank as error:
            return _say(Exit.LOST_RANK, f"lost a rank: {error}")
        except Taken as error:
            return _say(Exit.TAKEN, str(error))
        except OSError as error:
            return _say(Exit.STORAGE, str(error))
        except ValueError as error:
            return _say(Exit.REFUSED, str(error))
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    def _train(self) -> Exit:
        c = self.config
        loading = LoaderConfig(seq_len=c.seq_len, batch_size=c.train.batch_rows, seed=c.train.seed)
        self.feed = PackedLoader(
            Shards(c.tokens), loading, rank=self.ranks.rank, world_size=self.ranks.size
        )
        generator = torch.Generator().manual_seed(c.train.seed)
        model = Decoder(c.model, generator=generator).to(runtime.device())
        train(
            model,
            self.batch_at,
            c.train,
            eos_id=self.feed.shards.eos_id,
            on_log=self._on_log,
            loss_fn=self.loss,
            hooks=self,
        )
        if self.fault:
            return _say(Exit.BAD_NUMBER, self.fault)
        event = "stopped" if self.stopping else "done"
        self.log.write(event=event, tokens=self.tokens, signal=self.signal)
        return Exit.SAVED if self.stopping else Exit.DONE

    # What train asks for, in the order of a step.

    def begin(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
        """Go on from the newest whole checkpoint. All ranks take the one that rank 0 names."""
        folder, newest = self.config.out / "checkpoints", None
        if self.ranks.first:
            newest = latest_valid(folder, lambda text: self.log.write(event="refused", what=text))
        name = self.ranks.from_first(newest.name if newest else None)
        if name is None:
            if any(checkpoints(folder)):
                raise ValueError(f"{folder}: all are damaged, remove them to begin anew")
            self.log.write(event="begun", ranks=self.ranks.size)
            return 0
        state = load_checkpoint(folder / name, model, optimizer)
        if "config" not in state:
            raise ValueError(f"{folder / name} was saved by train() itself, not by a run")
        self._require_same(state["config"], folder / name)
        self.feed.load_state_dict(state["position"])
        self.guard.load_state_dict(state["guard"])
        self.tokens = state["tokens"]
        self.log.write(
            event="resumed", step=state["step"], ranks=self.ranks.size, saved_by=state["ranks"]
        )
        return state["step"]

    def batch_at(self, step: int) -> Batch:
        """This rank's rows. Random numbers that the model draws depend on seed, step and rank."""
        seed = self.config.train.seed * 1_000_003 + step * self.ranks.size + self.ranks.rank
        torch.manual_seed(seed)
        self.step = step
        self.inputs, targets = self.feed.batch_at(step)
        kept = int((targets != IGNORE).sum())
        # One message tells all ranks how many tokens there are, and whether one was asked to stop.
        counts = torch.tensor([kept, int(self.signal > 0)], device=runtime.device())
        self.total, signals = self.ranks.sum(counts).tolist()
        self.share, self.stopping = kept / self.total, signals > 0
        self.tokens += self.total
        return self.inputs, targets

    def loss(
        self, logits: Float[Tensor, "batch seq vocab"], targets: Int[Tensor, "batch seq"]
    ) -> Float[Tensor, ""]:
        """This rank's addend to the mean over all ranks' tokens: its mean, by its share of them."""
        return cross_entropy(logits, targets) * self.share

    def gather(self, model: nn.Module, loss: Tensor) -> Tensor:
        """Add up gradients and losses. The result has the same bits on every rank."""
        self.ranks.add_gradients(model)
        return self.ranks.sum(loss.detach().clone())

    def allow(self, step: int, model: nn.Module, loss: Tensor, norm: Tensor) -> bool:
        """Ask the guard. Its numbers are the same on every rank, so all decide alike."""
        verdict = self.guard.judge(loss.item(), norm.item())
        if verdict.kind:
            places = self.ranks.gather(self._place(model) if verdict.kind == "nonfinite" else None)
            # A NaN of one rank is in every rank's summed gradient: an output says more.
            named = [(r, p) for r, p in enumerate(places) if p]
            first = [(r, p) for r, p in named if not p.startswith("gradient")] or named[:1]
            found = [f"rank {r}: {p}" for r, p in first]
            action = "stopped" if verdict.stop else "warned" if verdict.update else "skipped"
            rows = self.feed.documents_at(self.step)
            self.log.write(
                event=verdict.kind,
                step=step,
                action=action,
                reason=verdict.reason,
                where=found,
                documents=rows,
            )
            if verdict.stop:
                self.fault = (
                    f"step {step}: {verdict.reason}; first seen at {', '.join(found) or 'no layer'}"
                    f"; documents {rows}; no update was made, step {step - 1} is saved"
                )
        return verdict.update

    def end(
        self, step: int, model: nn.Module, optimizer: torch.optim.Optimizer, last: bool
    ) -> bool:
        """Save where it is due. A step that stopped the run is undone: it wasn't learned from."""
        stop = self.stopping or self.fault is not None
        due = last or stop or step % self.config.train.save_every == 0
        if due and self.ranks.first:
            began, failed = time.perf_counter(), self.fault is not None
            self.guard.bad_in_a_row = 0 if failed else self.guard.bad_in_a_row
            finished = step - failed
            state = {
                "config": self.config.identity(),
                "ranks": self.ranks.size,
                "tokens": self.tokens - failed * self.total,
                "position": self.feed.state_dict(finished),
                "guard": self.guard.state_dict(),
            }
            folder = self.config.out / "checkpoints"
            save_checkpoint(folder, finished, model, optimizer, state, self.config.keep)
            seconds = round(time.perf_counter() - began, 3)
            name = step_folder(folder, finished).name
            self.log.write(event="saved", step=finished, name=name, seconds=seconds)
        return stop

    def _place(self, model: nn.Module) -> str | None:
        """Where this rank's numbers broke: a layer of the forward pass, else a gradient."""
        inputs = self.inputs.to(runtime.device())
        with runtime.autocast():
            layer = first_broken_layer(model, inputs, document_ids(inputs, self.feed.shards.eos_id))
        gradient = first_broken_parameter(model)
        return layer or (f"gradient of {gradient}" if gradient else None)

    def _require_same(self, saved: dict, path: Path) -> None:
        ours = self.config.identity()
        differ = [
            f"{name} was {saved.get(name)!r} and is now {ours.get(name)!r}"
            for name in sorted(saved.keys() | ours.keys())
            if saved.get(name) != ours.get(name)
        ]
        if differ:
            raise ValueError(f"{path} belongs to another run: {'; '.join(differ)}")

    def _on_log(self, log: StepLog) -> None:
        loss = log.loss if math.isfinite(log.loss) else None
        self.log.write(
            event="step",
            step=log.step,
            loss=loss,
            lr=log.lr,
            tokens=self.tokens,
            grad_norm=log.grad_norm if math.isfinite(log.grad_norm) else None,
            seconds=round(log.seconds, 3),
        )

    def _on_signal(self, number: int, frame: object) -> None:
        """Ask for an end after this step. A second signal ends the process at once."""
        self.signal = number
        signal.signal(number, signal.SIG_DFL)


def configure(argv: list[str] | None = None) -> RunConfig:
    """The command line: sizes are those of a profile, and every one that matters can be given."""
    parser = argparse.ArgumentParser(prog="course pretrain", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the run's folder")
    parser.add_argument("--tokens", type=Path, required=True, help="shards: data.shards")
    parser.add_argument("--profile", default=None, help="cpu, colab or gpu (COURSE_PROFILE)")
    for name in ("steps", "rows", "seq-len"):
        parser.add_argument(f"--{name}", type=int, default=None, help="instead of the profile's")
    parser.add_argument("--lr", type=float, default=None, help="instead of the profile's")
    for name, value in (
        ("seed", 0),
        ("log-every", 10),
        ("save-every", 200),
        ("keep", 2),
    ):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--nonfinite", default="stop", help="stop or skip")
    parser.add_argument("--spike", default="warn", help="skip, warn or ignore")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds to wait for a rank")
    a = parser.parse_args(argv)
    os.environ["COURSE_PROFILE"] = a.profile or os.environ.get("COURSE_PROFILE", "cpu")
    p = runtime.current()
    for name, value in (
        ("steps", p.pretrain_steps),
        ("rows", p.pretrain_rows),
        ("seq_len", p.seq_len),
        ("lr", p.pretrain_lr),
    ):
        if getattr(a, name) is None:  # 0 was said by somebody: it is refused, not replaced
            setattr(a, name, value)
    model = ModelConfig(
        vocab_size=Shards(a.tokens).vocab_size,
        d_model=p.d_model,
        n_layers=p.n_layers,
        n_heads=p.n_heads,
        n_kv_heads=p.n_kv_heads,
        d_ff=p.d_ff,
        max_seq=2 * a.seq_len,
    )
    plan = TrainConfig(
        steps=a.steps,
        batch_rows=a.rows,
        lr=a.lr,
        seed=a.seed,
        log_every=a.log_every,
        save_every=a.save_every,
    )
    return RunConfig(
        out=a.out,
        tokens=a.tokens,
        model=model,
        train=plan,
        seq_len=a.seq_len,
        keep=a.keep,
        timeout=a.timeout,
        policy=Policy(nonfinite=a.nonfinite, spike=a.spike),
    )


def main(argv: list[str] | None = None) -> Exit:
    """Run what the command line says. A wrong option is named, with exit code 2."""
    try:
        config = configure(argv)
    except ValueError as error:
        return _say(Exit.REFUSED, str(error))
    return Run(config).start()


def _say(code: Exit, text: str) -> Exit:
    print(f"pretraining ends with {code.name.lower()} ({int(code)}): {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
