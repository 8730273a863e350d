"""Masked cross-entropy: the mean surprisal of the tokens that count."""

import torch
from torch import Tensor

from course_lib.checks.exercise import Case, Exercise
from course_lib.pretraining.loss import IGNORE, cross_entropy

SIZES = (  # rows, places, vocabulary, how many places in front don't count
    ("every target counts", 1, 3, 4, 0),
    ("some targets of the first row don't count", 2, 6, 9, 3),
    ("a row without any target that counts", 3, 8, 5, 11),
    ("a larger vocabulary", 4, 5, 40, 7),
)


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)
    cases = [Case(what, _case(*sizes, 2.0, generator)) for what, *sizes in SIZES]
    single = Case("one token", _case(1, 1, 4, 0, 1.0, generator), edge=True)
    large = Case("scores in the hundreds", _case(2, 4, 7, 2, 200.0, generator), edge=True)
    return [*cases, single, large]  # exp overflows in float32 beyond 88


def _case(
    batch: int, seq: int, vocab: int, ignored: int, scale: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Random logits; ``ignored`` targets at the front of the flattened batch are -100."""
    logits = scale * torch.randn(batch, seq, vocab, generator=generator)
    targets = torch.randint(vocab, (batch, seq), generator=generator)
    targets.view(-1)[:ignored] = IGNORE
    return logits, targets


def _surprisal(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    kept = targets != IGNORE
    picked = logits.log_softmax(-1).gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    return -picked * kept, kept


def _all_positions(logits: Tensor, targets: Tensor) -> Tensor:
    surprisal, kept = _surprisal(logits, targets)
    return surprisal.sum() / kept.numel()


def _sum(logits: Tensor, targets: Tensor) -> Tensor:
    return _surprisal(logits, targets)[0].sum()


def _row_means(logits: Tensor, targets: Tensor) -> Tensor:
    surprisal, kept = _surprisal(logits, targets)
    rows = kept.any(-1)
    return (surprisal.sum(-1)[rows] / kept.sum(-1)[rows]).mean()


def _as_token_zero(logits: Tensor, targets: Tensor) -> Tensor:
    return _surprisal(logits, targets.clamp(min=0))[0].mean()


def _wrong_axis(logits: Tensor, targets: Tensor) -> Tensor:
    kept = targets != IGNORE
    picked = logits.log_softmax(1).gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    return -(picked * kept).sum() / kept.sum()


def _overflow(logits: Tensor, targets: Tensor) -> Tensor:
    kept = targets != IGNORE
    picked = logits.gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    return ((logits.exp().sum(-1).log() - picked) * kept).sum() / kept.sum()


_MISTAKES = {
    "You divide by all positions; divide by those whose target isn't -100.": _all_positions,
    "You return the sum; the loss is the mean over the kept tokens.": _sum,
    "You take the mean of each row's mean; a token in a short row then weighs more than one in a "
    "long row. Sum over all rows first, then divide once.": _row_means,
    "You count -100 as if it were token 0; leave those positions out.": _as_token_zero,
    "Your logarithm has base 2: that is bits. Use the natural one.": (
        lambda logits, targets: cross_entropy(logits, targets) / torch.tensor(2.0).log()
    ),
    "You normalise over the sequence (axis 1); the probabilities of one position's tokens must sum "
    "to 1, so normalise over the last axis.": _wrong_axis,
    "The sign is upside down: probabilities are below 1, so their logarithms are negative and the "
    "surprisal is minus the logarithm.": lambda logits, targets: -cross_entropy(logits, targets),
    "exp overflows for large logits. Use logsumexp, which takes the largest out first.": _overflow,
}

masked_cross_entropy = Exercise(
    name="pretraining/masked_cross_entropy",
    title="Masked cross-entropy",
    answer="my_loss",
    kind="warm-up",
    minutes=15,
    points=5,
    cases=_cases,
    reference=cross_entropy,
    mistakes=_MISTAKES,
    gradients=(0,),
    forbidden=("cross_entropy", "CrossEntropyLoss", "nll_loss", "NLLLoss"),
)
