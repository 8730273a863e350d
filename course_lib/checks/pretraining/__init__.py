"""Instant checks of the pretraining chapter's exercises."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.checks._report import CheckReport, run_check
from course_lib.checks.pretraining._accumulation import (  # noqa: F401
    ACCUMULATION_MISTAKES,
    accumulation,
)
from course_lib.checks.pretraining._adamw import ADAMW_MISTAKES, adamw_step  # noqa: F401
from course_lib.checks.pretraining._atomic_save import (  # noqa: F401
    ATOMIC_SAVE_MISTAKES,
    Disk,
    atomic_save,
)
from course_lib.checks.pretraining._loss_scaler import (  # noqa: F401
    LOSS_SCALER_MISTAKES,
    loss_scaler,
)
from course_lib.checks.pretraining._update_ratio import (  # noqa: F401
    UPDATE_RATIO_MISTAKES,
    update_ratio,
)
from course_lib.pretraining.train import IGNORE, cross_entropy


def masked_cross_entropy(fn: Callable[[Tensor, Tensor], Tensor]) -> CheckReport:
    """Check fn(logits [batch, seq, vocab], targets [batch, seq]) -> mean loss in nats."""
    generator = torch.Generator().manual_seed(0)
    cases = [
        _case(1, 1, 4, 0, 1.0, generator),
        _case(2, 6, 9, 3, 1.0, generator),
        _case(3, 8, 5, 11, 3.0, generator),
        _case(2, 4, 7, 2, 200.0, generator),  # exp overflows in float32 beyond 88
    ]
    return run_check("Masked cross-entropy", fn, cases, cross_entropy, mistakes=MISTAKES)


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


def _base_two(logits: Tensor, targets: Tensor) -> Tensor:
    return cross_entropy(logits, targets) / torch.tensor(2.0).log()


def _wrong_axis(logits: Tensor, targets: Tensor) -> Tensor:
    kept = targets != IGNORE
    picked = logits.log_softmax(1).gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    return -(picked * kept).sum() / kept.sum()


def _overflow(logits: Tensor, targets: Tensor) -> Tensor:
    kept = targets != IGNORE
    picked = logits.gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    return ((logits.exp().sum(-1).log() - picked) * kept).sum() / kept.sum()


MISTAKES = {
    "You divide by all positions; divide by those whose target isn't -100.": _all_positions,
    "You return the sum; the loss is the mean over the kept tokens.": _sum,
    "You take the mean of each row's mean; a token in a short row then weighs more than one in a "
    "long row. Sum over all rows first, then divide once.": _row_means,
    "You count -100 as if it were token 0; leave those positions out.": _as_token_zero,
    "Your logarithm has base 2: that is bits. Use the natural one.": _base_two,
    "You normalise over the sequence (axis 1); the probabilities of one position's tokens must sum "
    "to 1, so normalise over the last axis.": _wrong_axis,
    "exp overflows for large logits. Use logsumexp, which takes the largest out first.": _overflow,
}
