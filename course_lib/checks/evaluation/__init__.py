"""Instant checks of the evaluation chapter's exercises."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.checks._report import CheckReport, run_check


def continuation_logprob(fn: Callable[[Tensor, list[int], int], float]) -> CheckReport:
    """Check fn(logits, ids, n_context) -> log p(ids[n_context:] | ids[:n_context]) in nats.

    logits[i] is the model's output after it has read ids[: i + 1].
    """
    generator = torch.Generator().manual_seed(0)
    cases = []
    for length, n_context in ((2, 1), (6, 5), (7, 3), (9, 1)):
        logits = 3 * torch.randn(length, 11, generator=generator) + 1
        ids = torch.randint(11, (length,), generator=generator).tolist()
        cases.append((logits, ids, n_context))
    return run_check(
        "The likelihood of a continuation", fn, cases, _logprob, mistakes=LOGPROB_MISTAKES
    )


def bits_per_byte(fn: Callable[[float, str], float]) -> CheckReport:
    """Check fn(nats, text) -> bits a byte."""
    cases = [(12.0, "naïve café, 3 €"), (1.0, "ab"), (0.0, "x"), (250.0, "日本 " * 20)]
    return run_check("Bits a byte", fn, cases, _bits, mistakes=BITS_MISTAKES)


def _logprob(
    logits: Tensor,
    ids: list[int],
    n_context: int,
    *,
    shift: int = 1,
    first: int | None = None,
    mean: bool = False,
    normalise: Callable[[Tensor], Tensor] = lambda x: x.log_softmax(-1),
) -> float:
    """The right answer, with one thing to get wrong at a time."""
    start = n_context if first is None else first
    places = range(start, len(ids))
    values = normalise(logits)
    picked = [float(values[i - shift, ids[i]]) for i in places]
    return sum(picked) / (len(picked) if mean else 1)


def _wrong(**change) -> Callable[[Tensor, list[int], int], float]:
    return lambda logits, ids, n_context: _logprob(logits, ids, n_context, **change)


LOGPROB_MISTAKES = {
    "Off by one: logits[i] speaks about token i + 1, so token i is judged by logits[i − 1]. You "
    "let the model read each token before it predicts it.": _wrong(shift=0),
    "You score the context too. Its probability is the same for every option, but it has to be "
    "left out of the answer's.": _wrong(first=1),
    "You return the mean over tokens, not the sum: this is a normalisation of its own, and the "
    "log-probability of a text is the sum.": _wrong(mean=True),
    "You add up logits. They become log-probabilities only after log_softmax.": (
        _wrong(normalise=lambda x: x)
    ),
    "You add up probabilities, not their logarithms.": _wrong(normalise=lambda x: x.softmax(-1)),
    "The sign is turned: a log-probability is at most 0, you return the loss.": (
        lambda logits, ids, n_context: -_logprob(logits, ids, n_context)
    ),
    "You leave out the first token of the continuation.": (
        lambda logits, ids, n_context: _logprob(logits, ids, n_context, first=n_context + 1)
        if n_context + 1 < len(ids)
        else 0.0
    ),
}


def _bits(nats: float, text: str) -> float:
    return nats / math.log(2) / len(text.encode())


BITS_MISTAKES = {
    "You divide by characters. A character can take up to four bytes: len(text.encode()).": (
        lambda nats, text: nats / math.log(2) / len(text)
    ),
    "This is nats a byte: a bit is ln 2 nats.": lambda nats, text: nats / len(text.encode()),
    "You multiply by ln 2. There are more bits than nats, since a bit is the smaller unit.": (
        lambda nats, text: nats * math.log(2) / len(text.encode())
    ),
    "You divide by words: that is a figure of its own, which depends on the language.": (
        lambda nats, text: nats / math.log(2) / max(1, len(text.split()))
    ),
}
