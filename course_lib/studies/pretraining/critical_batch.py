"""How many steps does a small model need to reach a loss, for every size of its batch?

For each batch size three constant rates are tried around the square-root rule, further ones while
the best lies at the edge, and the best one is run with another seed. Along the run of the middle
batch the gradient-noise scale is measured, at the moments when the held-out loss passes the
targets: the theory says that both must agree.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from course_lib import lineage
from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.data.mixing.corpus import tokenized_split
from course_lib.data.mixing.packing import Packed, batch
from course_lib.experiments import experiment, once
from course_lib.pretraining.loop.validation import validation_loss
from course_lib.pretraining.loss import cross_entropy, document_ids
from course_lib.pretraining.optimizers.adamw import AdamW, param_groups
from course_lib.pretraining.schedules.noise_scale import NoiseScale, measure
from course_lib.pretraining.schedules.rates import warm_up
from course_lib.studies.pairs import best_inside


@dataclass(frozen=True, kw_only=True)
class CriticalBatchConfig:
    """Sizes of the study. The rate tried first at batch B is ``lr`` x sqrt(B / ``lr_batch``)."""

    batches: tuple[int, ...] = (2, 4, 8, 16, 32, 64)
    targets: tuple[float, ...] = (1.7, 1.4, 1.2)  # nats a token on held-out rows
    lr: float = 12e-3
    lr_batch: int = 8
    factors: tuple[float, ...] = (0.5, 1.0, 2.0)
    seeds: tuple[int, ...] = (1,)  # beside seed 0, at the best rate alone
    warmup: int = 5  # steps
    most_rows: int = 3_200  # a run that hasn't arrived by then has failed
    held_out: int = 16
    seq_len: int = 192
    d_model: int = 48
    n_layers: int = 2
    measured_at: int = 16  # the batch along whose run the noise scale is measured
    draws: int = 4
    draw_rows: int = 48


@dataclass(frozen=True)
class Text:
    """Packed rows to train on, rows to judge by, and the tokenizer's numbers."""

    train: Packed
    held_out: Packed
    vocab_size: int
    eos_id: int


def text(config: CriticalBatchConfig) -> Text:
    """The course's own corpus, cut to as many rows as the longest run reads."""
    tokenizer = lineage.tokenizer()
    train, held_out = (
        tokenized_split(lineage.corpus(), name, tokenizer, config.seq_len).packed
        for name in ("train", "validation")
    )
    return Text(
        train,
        held_out[: config.held_out],
        tokenizer.vocab_size,
        tokenizer.eos_id,
    )


def fresh(config: CriticalBatchConfig, vocab_size: int, seed: int) -> Decoder:
    """The study's model."""
    shape = ModelConfig(
        vocab_size=vocab_size,
        d_model=config.d_model,
        n_layers=config.n_layers,
        n_heads=2,
        n_kv_heads=1,
        d_ff=8 * config.d_model // 3,
        max_seq=config.seq_len,
    )
    return Decoder(shape, generator=torch.Generator().manual_seed(seed))


def one_run(
    texts: Text,
    config: CriticalBatchConfig,
    *,
    rows: int,
    lr: float,
    seed: int,
    at_target: Callable[[float, Decoder], None] | None = None,
) -> dict[str, float]:
    """Train with a constant rate until the last target; the step at which each target was passed.

    The held-out loss is taken every twelfth of the steps so far, and the crossing is put between
    two readings by a straight line. A target that ``most_rows`` don't reach is left out.
    """
    model = fresh(config, texts.vocab_size, seed)
    optimizer = AdamW(param_groups(model, 0.1), lr=lr)
    passed, left, before, look_at = {}, list(config.targets), None, 8
    for step in range(1, config.most_rows // rows + 1):
        for group in optimizer.param_groups:
            group["lr"] = lr * warm_up(step - 1, config.warmup)
        inputs, targets = batch(texts.train, step - 1, rows, seed=seed)
        loss = cross_entropy(model(inputs, documents=document_ids(inputs, texts.eos_id)), targets)
        model.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step < look_at:
            continue
        look_at = step + max(2, step // 12)
        now = validation_loss(model, texts.held_out, texts.eos_id).per_token
        while left and now <= left[0]:
            target = left.pop(0)
            share = 0.0 if before is None else (before[1] - target) / (before[1] - now)
            passed[str(target)] = step if before is None else before[0] + share * (step - before[0])
            if at_target:
                at_target(target, model)
        if not left:
            break
        before = (step, now)
    return passed


def noise_along_a_run(texts: Text, config: CriticalBatchConfig, lr: float) -> dict:
    """The noise scale when the run of ``measured_at`` rows passes each target, from fresh rows."""
    found: dict[str, list[dict]] = {}

    def at_target(target: float, model: Decoder) -> None:
        draws = []
        for i in range(config.draws):
            rows = batch(texts.train, i, config.draw_rows, seed=99)
            scale: NoiseScale = measure(model, *rows, small=1, eos_id=texts.eos_id)
            draws.append(asdict(scale))
        found[str(target)] = draws

    one_run(texts, config, rows=config.measured_at, lr=lr, seed=0, at_target=at_target)
    return found


@experiment(config=CriticalBatchConfig())
def critical_batch(
    config: CriticalBatchConfig, work: Path, progress: Callable[[float, str], None]
) -> dict:
    """Steps to every target by batch, rate and seed; and the noise scale along one run."""
    torch.set_num_threads(1)
    texts, last = text(config), str(config.targets[-1])
    runs: list[dict] = []
    planned = len(config.batches) * (len(config.factors) + len(config.seeds)) + 1

    def go(rows: int, lr: float, seed: int) -> float:
        """Steps to the last target; infinite where the run didn't get there."""
        name = f"{rows}-{lr:.5f}-{seed}"
        progress(min(1.0, len(runs) / planned), f"batch {rows}, lr {lr:.4f}")
        steps = once(
            work / f"{name}.json", lambda: one_run(texts, config, rows=rows, lr=lr, seed=seed)
        )
        runs.append({"rows": rows, "lr": lr, "seed": seed, "steps": steps})
        return steps.get(last, math.inf)

    best: dict[int, float] = {}
    for rows in config.batches:
        middle = config.lr * (rows / config.lr_batch) ** 0.5
        best[rows] = best_inside(
            lambda lr, rows=rows: go(rows, lr, 0), [middle * f for f in config.factors]
        )
        for seed in config.seeds:
            go(rows, best[rows], seed)
    lr = best[config.measured_at]
    noise = once(work / "noise.json", lambda: noise_along_a_run(texts, config, lr))
    return {"runs": runs, "noise": noise, "tokens_a_row": texts.train.tokens / len(texts.train)}
