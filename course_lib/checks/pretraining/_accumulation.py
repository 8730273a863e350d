"""The check of gradient accumulation: one optimizer step from many parts, right to the weight."""

import functools
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks._report import CheckReport, run_check
from course_lib.pretraining.accumulation import accumulate
from course_lib.pretraining.train import IGNORE

Parts = list[tuple[Tensor, Tensor]]
Step = Callable[[nn.Module, Parts, torch.optim.Optimizer, float], None]
VOCAB, SEQ, FREE = 7, 6, 1e9  # FREE: a norm that no gradient here exceeds


class _Bigrams(nn.Module):
    """Logits of the next token: one row of a matrix for each token."""

    def __init__(self, weight: Tensor):
        super().__init__()
        self.weight = nn.Parameter(weight.clone())

    def forward(self, inputs: Tensor, documents: Tensor | None = None) -> Tensor:
        return self.weight[inputs]


def accumulation(fn: Step) -> CheckReport:
    """Check fn(model, parts, optimizer, max_norm): one clipped step on the mean loss of all parts.

    parts is a list of (inputs, targets), both [rows, seq], targets -100 where there is no loss.
    The model's weights after two steps are compared with the reference's.
    """
    cases = [
        (_weight(0), [_parts(1, (6, 6)), _parts(2, (6, 6))], FREE),
        (_weight(3), [_parts(4, (6, 1, 3)), _parts(5, (2, 6, 1))], FREE),
        (_weight(6), [_parts(7, (1, 6)), _parts(8, (6, 2))], 0.15),
    ]
    mistakes = {sentence: _two_steps(wrong) for sentence, wrong in ACCUMULATION_MISTAKES.items()}
    return run_check(
        "Gradient accumulation", _two_steps(fn), cases, _two_steps(_right), mistakes=mistakes
    )


def _weight(seed: int) -> Tensor:
    return torch.randn(VOCAB, VOCAB, generator=torch.Generator().manual_seed(seed))


def _parts(seed: int, lengths: Iterable[int]) -> Parts:
    """A part of two rows for each length; that many targets a row count."""
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for length in lengths:
        inputs, targets = torch.randint(VOCAB, (2, 2, SEQ), generator=generator)
        targets[:, length:] = IGNORE
        parts.append((inputs, targets))
    return parts


def _two_steps(fn: Step) -> Callable[[Tensor, list[Parts], float], Tensor]:
    """Run fn once for each list of parts, on a fresh model; the weights that come out."""

    @functools.wraps(fn)
    def run(weight: Tensor, steps: list[Parts], max_norm: float) -> Tensor:
        model = _Bigrams(weight)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        for parts in steps:
            fn(model, parts, optimizer, max_norm)
        return model.weight.detach().clone()

    return run


def _right(model: nn.Module, parts: Parts, optimizer: torch.optim.Optimizer, norm: float) -> None:
    accumulate(model, parts)
    nn.utils.clip_grad_norm_(model.parameters(), norm)
    optimizer.step()


def _wrong(
    *,
    share: Callable[[Tensor, Tensor, Parts], Tensor] | None = None,
    zero: str = "once",
    clip: str = "once",
    step: str = "once",
) -> Step:
    """The right step with one thing to get wrong at a time; `share` is a part's share of the loss.

    Each of zero, clip and step says when it happens: "once", "each" part, "late" or "never".
    """
    share = share or _by_tokens

    def run(model: nn.Module, parts: Parts, optimizer: torch.optim.Optimizer, norm: float) -> None:
        if zero == "once":
            optimizer.zero_grad()
        for inputs, targets in parts:
            if zero == "each":
                optimizer.zero_grad()
            share(model(inputs), targets, parts).backward()
            if clip == "each":
                nn.utils.clip_grad_norm_(model.parameters(), norm)
            if step == "each":
                optimizer.step()
        if clip == "once":
            nn.utils.clip_grad_norm_(model.parameters(), norm)
        if step == "once":
            optimizer.step()

    return run


def _sum(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")


def _mean(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def _count(parts: Parts) -> int:
    return sum(int((targets != IGNORE).sum()) for _, targets in parts)


def _by_tokens(logits: Tensor, targets: Tensor, parts: Parts) -> Tensor:
    return _sum(logits, targets) / _count(parts)


ACCUMULATION_MISTAKES = {
    "You average the parts' mean losses. A token in a short part then weighs more than one in a "
    "long part. Sum the losses, and divide by the tokens of all parts.": _wrong(
        share=lambda logits, targets, parts: _mean(logits, targets) / len(parts)
    ),
    "You add the parts' mean losses: the gradient is as many times too long as there are parts.":
        _wrong(share=lambda logits, targets, parts: _mean(logits, targets)),
    "You sum over the tokens and never divide: the gradient grows with the batch.": _wrong(
        share=lambda logits, targets, parts: _sum(logits, targets)
    ),
    "You divide twice, by the tokens of all parts and by the number of parts.": _wrong(
        share=lambda logits, targets, parts: _by_tokens(logits, targets, parts) / len(parts)
    ),
    "You divide by all places. Those whose target is -100 don't count.": _wrong(
        share=lambda logits, targets, parts: _sum(logits, targets)
        / sum(t.numel() for _, t in parts)
    ),
    "The gradients are never set to zero, so the second step still has the first one's.": _wrong(
        zero="never"
    ),
    "You set the gradients to zero before each part: only the last part counts.": _wrong(
        zero="each"
    ),
    "You step after every part, with the gradients of the parts so far. There is one step, after "
    "the last.": _wrong(step="each", clip="each"),
    "You clip after every part. Then an early part's gradient is shortened and a later one isn't; "
    "clip the whole gradient, once.": _wrong(clip="each"),
    "You don't clip. The common norm of all gradients may be at most max_norm.": _wrong(
        clip="never"
    ),
    "The gradients are there, but no step is made.": _wrong(step="never"),
}  # fmt: skip
