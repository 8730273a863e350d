"""Does the best rate move with the width? Every width at every rate, standard and muP."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from course_lib.architecture.decoder import ModelConfig
from course_lib.data.mixing.packing import batch
from course_lib.experiments import experiment, once
from course_lib.pretraining.initialisation.mup import WidthDecoder
from course_lib.pretraining.loop.validation import validation_loss
from course_lib.pretraining.loss import cross_entropy, document_ids
from course_lib.pretraining.optimizers.adamw import AdamW
from course_lib.pretraining.schedules.rates import wsd
from course_lib.studies.pretraining.texts import Texts, texts


@dataclass(frozen=True, kw_only=True)
class MupConfig:
    """Widths, rates (at the base width) and the length of a run.

    The widest model costs most, so it runs at fewer rates: where the trend of the others puts its
    best, and at the narrow models' best.
    """

    kinds: tuple[str, ...] = ("standard", "mup")
    widths: tuple[int, ...] = (32, 64, 128, 256)
    rates: tuple[float, ...] = (2e-3, 4e-3, 8e-3, 16e-3, 32e-3, 64e-3)
    widest_standard: tuple[float, ...] = (1e-3, 2e-3, 4e-3, 32e-3)
    widest_mup: tuple[float, ...] = (8e-3, 16e-3, 32e-3, 64e-3)
    base: int = 32
    steps: int = 120
    warmup: float = 0.1
    decay: float = 0.4
    batch_size: int = 4
    seq: int = 192
    documents: int = 4_000
    held_out: int = 200
    seed: int = 0

    def rates_of(self, kind: str, width: int) -> tuple[float, ...]:
        """The rates that a model is trained at."""
        if width < self.widths[-1]:
            return self.rates
        return self.widest_standard if kind == "standard" else self.widest_mup

    def texts(self) -> Texts:
        """What the models read."""
        return texts(self.seq, self.documents, self.held_out)


def model_of(kind: str, width: int, config: MupConfig) -> WidthDecoder:
    """Two layers; heads of 16 numbers, so a wider model has more of them."""
    shape = ModelConfig(
        vocab_size=config.texts().vocab_size,
        d_model=width,
        n_layers=2,
        head_size=16,
        n_heads=width // 16,
        n_kv_heads=width // 16,
        d_ff=2 * width,
        max_seq=config.seq,
    )
    return WidthDecoder(shape, kind, config.base, torch.Generator().manual_seed(config.seed))


def stepper(
    model: WidthDecoder, lr: float, config: MupConfig, schedule: bool = True
) -> Callable[[int], Tensor]:
    """A function of the step's number that trains by that step and returns its loss."""
    data = config.texts()
    optimizer = AdamW(model.groups(lr), weight_decay=0.0)
    peaks = [group["lr"] for group in optimizer.param_groups]

    def step(i: int) -> Tensor:
        share = wsd((i + 1) / config.steps, warmup=config.warmup, decay=config.decay)
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * share if schedule else peak
        inputs, targets = batch(data.training, i, config.batch_size, seed=config.seed)
        loss = cross_entropy(model(inputs, documents=document_ids(inputs, data.eos_id)), targets)
        model.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.detach()

    return step


def run(kind: str, width: int, lr: float, config: MupConfig) -> float | None:
    """Held-out nats a token at the end; None where the loss stopped being finite."""
    model, data = model_of(kind, width, config), config.texts()
    step = stepper(model, lr, config)
    for i in range(config.steps):
        if not torch.isfinite(step(i)):
            return None
    loss = validation_loss(model, data.held_out, data.eos_id).per_token
    return loss if math.isfinite(loss) else None


@experiment(config=MupConfig())
def transfer(config: MupConfig, work: Path, progress: Callable[[float, str], None]) -> dict:
    """Every width at its rates. Each finished run lies in `work`."""
    wanted = [
        (kind, width, lr)
        for width in config.widths
        for kind in config.kinds
        for lr in config.rates_of(kind, width)
    ]
    runs = []
    for kind, width, lr in wanted:
        progress(len(runs) / len(wanted), f"{kind}, width {width}, rate {lr:g}")

        def trained(kind: str = kind, width: int = width, lr: float = lr) -> dict:
            loss = run(kind, width, lr, config)
            return {"kind": kind, "width": width, "lr": lr, "loss": loss}

        runs.append(once(work / f"{kind}, {width}, {lr:g}.json", trained, cost=True))
    return {"runs": runs, "floor": config.texts().floor, "config": asdict(config)}


def best_rate(runs: list[dict]) -> float:
    """The rate of lowest loss, between the tried ones: the vertex of a parabola in ln η.

    Through the best rate and its neighbours. The best itself where it is the first or last.
    """
    tried = sorted((run for run in runs if run["loss"] is not None), key=lambda run: run["lr"])
    i = min(range(len(tried)), key=lambda i: tried[i]["loss"])
    if i in (0, len(tried) - 1):
        return tried[i]["lr"]
    (x0, y0), (x1, y1), (x2, y2) = [(math.log(r["lr"]), r["loss"]) for r in tried[i - 1 : i + 2]]
    left, right = (y1 - y0) / (x1 - x0), (y2 - y1) / (x2 - x1)
    curve = (right - left) / (x2 - x0)
    return math.exp((x0 + x1) / 2 - left / (2 * curve))
