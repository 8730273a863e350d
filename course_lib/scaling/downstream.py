"""From loss to what a model can do: one reading of the reference answers, four metrics.

A reference answer of n tokens is read once, with the true tokens before each (teacher forcing), by
`evaluation.likelihood.score_pairs`. The model's most likely token is right at n places or fewer,
and greedy decoding writes the whole answer exactly where all n are: up to the first mistake it has
the same tokens before it. So the smooth metrics and the sharp one come from the same numbers.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class Answered(Protocol):
    """A reference answer under a model: log p of all of it in nats, tokens, and how many right."""

    logprob: float
    tokens: int
    right: int


def metrics(results: Sequence[Answered]) -> dict[str, int | float]:
    """Over all answers: nats a token, share of tokens right, share of answers wholly right.

    ``independent`` is what the share of whole answers would be, were mistakes independent with one
    rate: the mean of (tokens right)^n. Source: Schaeffer et al. 2023, section 2.
    """
    if not results:
        raise ValueError("no answers: a mean of nothing")
    tokens = np.array([r.tokens for r in results])
    rate = sum(r.right for r in results) / tokens.sum()
    return {
        "answers": len(results),
        "tokens_an_answer": float(tokens.mean()),
        "nats_a_token": float(-sum(r.logprob for r in results) / tokens.sum()),
        "token_accuracy": float(rate),
        "exact": float(np.mean([r.right == r.tokens for r in results])),
        "independent": float(np.mean(rate**tokens)),
    }
