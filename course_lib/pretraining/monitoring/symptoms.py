"""What can be measured on a run: from its curves, from its layers, and by small experiments.

`examine` takes all measurements of a finished run; `diagnose` names a fault from them. Nothing here
sees how the run was made.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

import torch

from course_lib.pretraining.loss import IGNORE, document_ids
from course_lib.pretraining.monitoring.broken import Run, held_out_loss

STATISTICS = ("largest_ratio", "first_ratio", "largest_gain", "dead_layers", "grad_zeros")
PROBES = ("sees_future", "target_is_input", "epochs", "recovered", "cache_error")


@dataclass(frozen=True, kw_only=True)
class Symptoms:
    """What was measured on a run; None where it wasn't. Losses in nats a token."""

    last_loss: float  # median of the last tenth of the training losses
    held_out: float
    floor: float  # a loss that nobody can go below, or that nobody has gone below
    largest_ratio: float | None = None  # update ratio of the whole model, the largest of the run
    first_ratio: float | None = None  # that of the very first step, over the largest after step 4
    largest_gain: float | None = None  # of all norms, the one whose gain is largest at the end
    dead_layers: tuple[str, ...] | None = None  # no gradient at all through the second half
    grad_zeros: float | None = None  # share of a matrix's gradient that is exactly 0, median matrix
    sees_future: float | None = None  # change of earlier logits when only the last token changes
    target_is_input: float | None = None  # share of targets that equal the token they stand under
    epochs: float | None = None  # how often a row was seen, on average
    recovered: float | None = None  # share of rows that the tokenizer decodes and encodes back
    cache_error: float | None = None  # largest difference of the sampler's logits, second request

    def only(self, *groups: Sequence[str]) -> "Symptoms":
        """The same run, had only these groups of measurements been taken (curves always are)."""
        kept = {name for group in groups for name in group}
        return replace(self, **{name: None for name in STATISTICS + PROBES if name not in kept})


def examine(run: Run) -> Symptoms:
    """Take all measurements of a finished run. Raises ValueError where its log is too short."""
    if len(run.log) < 20:
        raise ValueError(f"the log has {len(run.log)} lines: expected at least 20")
    losses = [line["loss"] for line in run.log]
    tenth = max(2, len(losses) // 10)
    return Symptoms(
        last_loss=median(losses[-tenth:]),
        held_out=held_out_loss(run),
        floor=run.floor,
        **_statistics(run),
        sees_future=sees_future(run),
        target_is_input=target_is_input(run),
        epochs=epochs(run),
        recovered=recovered(run),
        cache_error=cache_error(run),
    )


def _statistics(run: Run) -> dict:
    lines = [line for line in run.log if "update_ratio" in line]
    steps = len(run.log)
    second_half = [line for line in lines if line["step"] > steps / 2]
    ratios = {line["step"]: line["update_ratio"] for line in lines}
    shapes = {name.removesuffix(".weight"): w.dim() for name, w in run.decoder.named_parameters()}
    # The embedding's gradient is 0 for every token that the batch lacks, in a healthy run too.
    matrices = [name for name, rank in shapes.items() if rank == 2 and name != "embed"]
    gains = [name for name, rank in shapes.items() if rank == 1]
    return {
        "largest_ratio": max(ratios.values()),
        "first_ratio": ratios[1] / max(ratio for step, ratio in ratios.items() if step > 4),
        "largest_gain": max(second_half[-1][f"{name}/weight_rms"] for name in gains),
        "dead_layers": tuple(
            name for name in shapes if all(x[f"{name}/grad_norm"] == 0 for x in second_half)
        ),
        "grad_zeros": median(
            median(x[f"{name}/grad_zeros"] for x in second_half) for name in matrices
        ),
    }


@torch.no_grad()
def sees_future(run: Run, rows: int = 4) -> float:
    """Change each row's last token; the largest change of a logit before it. Causal: 0."""
    eos, other = run.tokenizer.eos_id, run.tokenizer.vocab_size - 1
    inputs = run.held_out.inputs[:rows].clone()
    inputs[:, 1:] = inputs[:, 1:].masked_fill(inputs[:, 1:] == eos, other)  # one document a row
    changed = inputs.clone()
    changed[:, -1] = (changed[:, -1] + 1) % run.tokenizer.vocab_size
    changed[:, -1] += changed[:, -1] == eos
    one, two = (run.model(x, documents=document_ids(x, eos)) for x in (inputs, changed))
    return float((one - two)[:, :-1].abs().max())


def target_is_input(run: Run) -> float:
    """Of the first batch's targets, the share that equals the input token of the same place."""
    inputs, targets = run.batch_at(0)
    kept = targets != IGNORE
    return float((inputs == targets)[kept].float().mean())


def epochs(run: Run) -> float:
    """Rows that the run read, over the different ones among them."""
    rows = [tuple(row) for step in range(len(run.log)) for row in run.batch_at(step)[0].tolist()]
    return len(rows) / len(set(rows))


def recovered(run: Run) -> float:
    """Of the first batch's documents, the share that decode to text that encodes to the same ids.

    A tokenizer writes each text in one way. Rows that it would write otherwise are not its own.
    """
    eos = run.tokenizer.eos_id
    whole = [ids for row in run.batch_at(0)[0].tolist() for ids in _documents(row, eos)]
    same = [run.tokenizer.encode(run.tokenizer.decode(ids)) == ids for ids in whole]
    return sum(same) / len(same)


def _documents(row: list[int], eos: int) -> list[list[int]]:
    """The documents of a packed row; the last may be cut off by the row's end and is left out."""
    ends = [i for i, token in enumerate(row) if token == eos]
    between = [row[a + 1 : b] for a, b in zip(ends, ends[1:], strict=False)]
    return [ids for ids in between if ids]


@torch.no_grad()
def cache_error(run: Run, length: int = 24) -> float:
    """Two requests in turn, token by token; the second one's logits against a full pass."""
    first, second = (row[:length] for row in run.held_out.inputs[:2])
    run.decode(first)
    return float((run.decode(second) - run.decoder(second[None])[0]).abs().max())
