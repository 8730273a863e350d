"""The race of the optimizers: same model, same batches, each tuned by the same number of trials.

Five trials each with a seed of its own: a starting rate, four times it and a quarter of it, then
twice and half the best of the three. The judged seeds, which chose nothing, run at the best rate.
One number is tuned, the rate; all else is fixed here, before the race. Everyone has the same
clipping; everyone but Schedule-Free, which has its own warm-up, has the same schedule.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.data.mixing.packing import batch
from course_lib.experiments import experiment, once
from course_lib.pretraining.loop.validation import validation_loss
from course_lib.pretraining.loss import cross_entropy, document_ids
from course_lib.pretraining.optimizers.adamw import AdamW, param_groups
from course_lib.pretraining.optimizers.classic import SGD, Adafactor, Adam, Lion
from course_lib.pretraining.optimizers.eight_bit import AdamW8bit
from course_lib.pretraining.optimizers.muon import Muon, muon_groups
from course_lib.pretraining.optimizers.schedule_free import ScheduleFreeAdamW
from course_lib.pretraining.schedules.rates import wsd
from course_lib.studies.pretraining.texts import Texts, texts

DECAY = 0.1
ADAM_SHARE = 0.4  # of Muon's rate: what its embedding and gains get, by Adam


@dataclass(frozen=True, kw_only=True)
class RaceConfig:
    """How long and how often. Losses are taken after `early` steps, which a page can repeat."""

    tuning_seed: int = 0  # chooses the rates and is not judged
    seeds: tuple[int, ...] = (1, 2, 3, 4)
    steps: int = 120
    early: int = 30
    warmup: float = 0.1
    decay: float = 0.4
    batch_size: int = 4
    seq: int = 192
    documents: int = 4_000
    held_out: int = 300
    log_every: int = 8

    def texts(self) -> Texts:
        """What the models read."""
        return texts(self.seq, self.documents, self.held_out)


@dataclass(frozen=True, kw_only=True)
class Runner:
    """An optimizer in the race: how it is made for a model at a rate, and its first rate."""

    make: Callable[[nn.Module, float, int], torch.optim.Optimizer]
    start: float


def runners() -> dict[str, Runner]:
    """Who runs. Betas of Adam's kin are 0.9 and 0.95, as in the course's training loop."""

    def adam_like(kind: type, decay: float = DECAY) -> Callable:
        return lambda model, lr, warmup: kind(
            param_groups(model, decay), lr=lr, betas=(0.9, 0.95), weight_decay=decay
        )

    def decayed(kind: type, decay: float = DECAY) -> Callable:
        return lambda model, lr, warmup: kind(param_groups(model, decay), lr=lr)

    def muon(model: nn.Module, lr: float, warmup: int) -> Muon:
        return Muon(muon_groups(model, lr=lr, adam_lr=ADAM_SHARE * lr))

    def schedule_free(model: nn.Module, lr: float, warmup: int) -> ScheduleFreeAdamW:
        return ScheduleFreeAdamW(
            param_groups(model, DECAY), lr=lr, betas=(0.9, 0.95), warmup_steps=warmup
        )

    return {
        "SGD": Runner(make=decayed(SGD, 0.0), start=0.3),
        "Adam": Runner(make=adam_like(Adam, 0.0), start=8e-3),
        "AdamW": Runner(make=adam_like(AdamW), start=8e-3),
        "AdamW, 8 bits": Runner(make=adam_like(AdamW8bit), start=8e-3),
        "Lion": Runner(make=decayed(Lion), start=1e-3),
        "Adafactor": Runner(make=decayed(Adafactor), start=0.03),
        "Muon": Runner(make=muon, start=0.02),
        "Schedule-Free": Runner(make=schedule_free, start=8e-3),
    }


def fresh_model(config: RaceConfig, seed: int) -> Decoder:
    """The small decoder of the race: two layers of width 64."""
    shape = ModelConfig(
        vocab_size=config.texts().vocab_size,
        d_model=64,
        n_layers=2,
        n_heads=4,
        n_kv_heads=2,
        d_ff=172,
        max_seq=config.seq,
        qk_norm=True,
    )
    return Decoder(shape, torch.Generator().manual_seed(seed))


def run(
    name: str, lr: float, seed: int, config: RaceConfig, until: int | None = None
) -> dict[str, list]:
    """One run: training losses every few steps, held-out nats a token after `early` and at the end.

    `until` stops early on the schedule of the whole run. A run whose loss stops being finite ends.
    """
    data, model = config.texts(), fresh_model(config, seed)
    warmup = round(config.warmup * config.steps)
    optimizer = runners()[name].make(model, lr, warmup)
    peaks = [group["lr"] for group in optimizer.param_groups]
    found: dict[str, list] = {"training": [], "held_out": []}
    for step in range(config.steps if until is None else until):
        if not isinstance(optimizer, ScheduleFreeAdamW):
            share = wsd((step + 1) / config.steps, warmup=config.warmup, decay=config.decay)
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * share
        inputs, targets = batch(data.training, step, config.batch_size, seed=seed)
        loss = cross_entropy(model(inputs, documents=document_ids(inputs, data.eos_id)), targets)
        if not torch.isfinite(loss):
            return found
        model.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % config.log_every == 0 or step == 0:
            found["training"].append([step + 1, loss.item()])
        if step + 1 in (config.early, config.steps):
            found["held_out"].append([step + 1, judged(model, optimizer, data)])
    return found


def judged(model: Decoder, optimizer: torch.optim.Optimizer, data: Texts) -> float:
    """Held-out nats a token; of the mean of the weights where the optimizer keeps one."""
    averages = isinstance(optimizer, ScheduleFreeAdamW)
    if averages:
        optimizer.eval()
    loss = validation_loss(model, data.held_out, data.eos_id).per_token
    if averages:
        optimizer.train()
    return loss


def final(result: dict) -> float:
    """A run's held-out loss at the end; infinite where it didn't get there."""
    reached = [loss for step, loss in result["held_out"] if step == result["steps"]]
    return reached[0] if reached and math.isfinite(reached[0]) else math.inf


@experiment(config=RaceConfig())
def race(config: RaceConfig, work: Path, progress: Callable[[float, str], None]) -> dict:
    """Five rates each, then the judged seeds at the best. Each finished run lies in `work`."""
    field, results = runners(), []
    total = len(field) * (5 + len(config.seeds))

    def result(name: str, lr: float, seed: int) -> dict:
        progress(len(results) / total, f"{name}, rate {lr:.3g}, seed {seed}")
        about = {"name": name, "lr": lr, "seed": seed, "steps": config.steps}
        path = work / f"{name}, {lr:.6g}, {seed}.json"
        results.append(once(path, lambda: about | run(name, lr, seed, config), cost=True))
        return results[-1]

    first, best = config.tuning_seed, {}
    for name, runner in field.items():
        coarse = [result(name, runner.start * factor, first) for factor in (1, 4, 0.25)]
        middle = min(coarse, key=final)["lr"]
        fine = [result(name, middle * factor, first) for factor in (2, 0.5)]
        best[name] = min(coarse + fine, key=final)["lr"]
    for name, lr in best.items():
        for seed in config.seeds:
            result(name, lr, seed)
    return {"runs": results, "best": best, "floor": config.texts().floor, "config": asdict(config)}
