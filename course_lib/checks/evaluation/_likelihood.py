"""The likelihood of a continuation: which row of logits speaks about which token."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.checks.exercise import Case, Exercise, Property
from course_lib.checks.values import close

VOCAB = 11
SIZES = (  # tokens in all, tokens of the context
    ("an answer of one token", 3, 2),
    ("a longer answer", 7, 3),
    ("a context of one token", 9, 1),
    ("a long context", 12, 8),
)


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)
    vocab = {"an answer of one token": 4}
    cases = [
        Case(what, _case(length, n, vocab.get(what, VOCAB), generator)) for what, length, n in SIZES
    ]
    logits, ids, n_context = _case(8, 4, VOCAB, generator)
    ids[-1] = int(logits[-2].argmin())  # so unlikely that its probability is 0 in single precision
    cases.append(Case("logits in the hundreds", (60 * logits + 300, ids, n_context)))
    return [*cases, Case("question and answer of one token", _case(2, 1, 5, generator), edge=True)]


def _case(
    length: int, n_context: int, vocab: int, generator: torch.Generator
) -> tuple[Tensor, list[int], int]:
    logits = 2 * torch.randn(length, vocab, generator=generator) + 1
    ids = torch.randint(vocab, (length,), generator=generator).tolist()
    return logits, ids, n_context


def _logprob(
    logits: Tensor,
    ids: list[int],
    n_context: int,
    *,
    shift: int = 1,
    first: int | None = None,
    last: int = 0,
    mean: bool = False,
    normalise: Callable[[Tensor], Tensor] = lambda x: x.log_softmax(-1),
) -> float:
    """The right answer, with one thing to get wrong at a time."""
    start = n_context if first is None else first
    places = range(start, len(ids) - last)
    values = normalise(logits)
    picked = [float(values[i - shift, ids[i]]) for i in places]
    return sum(picked, 0.0) / (len(picked) if mean else 1)


def _right(logits: Tensor, ids: list[int], n_context: int) -> float:
    return _logprob(logits, ids, n_context)


def _wrong(**change) -> Callable[[Tensor, list[int], int], float]:
    return lambda logits, ids, n_context: _logprob(logits, ids, n_context, **change)


def _blind_to(part: str) -> Callable[[Callable, int], str | None]:
    """The answer may not change with rows that say nothing about it."""

    def fault(answer: Callable, seed: int) -> str | None:
        generator = torch.Generator().manual_seed(seed)
        logits, ids, n_context = _case(9, 4, VOCAB, generator)
        other = logits.clone()
        rows = slice(n_context - 1) if part == "context" else slice(-1, None)
        other[rows] = torch.randn(other[rows].shape, generator=generator)
        before, after = (answer(x, list(ids), n_context) for x in (logits, other))
        if close(after, before):
            return None
        if part == "context":
            return "Your figure changes with what the model expects inside the question."
        return "Your figure changes with the last row, which speaks about a token after the answer."

    return fault


_MISTAKES = {
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
    "Your softmax runs over the positions. Each row shares a probability of 1 out over the "
    "vocabulary, the last axis.": _wrong(normalise=lambda x: x.log_softmax(0)),
    "The sign is turned: a log-probability is at most 0, you return the loss.": (
        lambda logits, ids, n_context: -_logprob(logits, ids, n_context)
    ),
    "You leave out the first token of the continuation.": (
        lambda logits, ids, n_context: _logprob(logits, ids, n_context, first=n_context + 1)
    ),
    "You leave out the last token of the continuation: the slice ends one too early.": _wrong(
        last=1
    ),
    "You take softmax first and its logarithm afterwards: a small probability becomes 0, and its "
    "logarithm −inf. log_softmax does both in one, safely.": _wrong(
        normalise=lambda x: x.softmax(-1).log()
    ),
}

continuation_logprob = Exercise(
    name="evaluation/likelihood",
    title="The likelihood of a continuation",
    answer="my_logprob",
    kind="build",
    minutes=20,
    points=10,
    cases=_cases,
    reference=_right,
    mistakes=_MISTAKES,
    properties=(
        Property("blind to what is expected inside the question", _blind_to("context")),
        Property("blind to the row after the answer", _blind_to("last row")),
    ),
    forbidden=("cross_entropy", "nll_loss", "CrossEntropyLoss", "NLLLoss"),
)
