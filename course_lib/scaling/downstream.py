"""From loss to what a model can do: one reading of the reference answers, four metrics.

A reference answer of n tokens is read once, with the true tokens before each (teacher forcing). The
model's most likely token is right at n places or fewer, and greedy decoding writes the whole
answer exactly where all n are: up to the first mistake it has the same tokens before it. So the
smooth metrics and the sharp one come from the same numbers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

Pair = tuple[Sequence[int], Sequence[int]]


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A reference answer under a model: log p of all of it in nats, tokens, and how many right."""

    logprob: float
    tokens: int
    right: int

    @property
    def exact(self) -> bool:
        """Whether greedy decoding writes it."""
        return self.right == self.tokens


def answered(logits: Float[Tensor, "seq vocab"], answer: Int[Tensor, " n"], first: int) -> Answered:
    """``answer`` stands after ``first`` tokens of a row, so logits first-1 … first+n-2 give it.

    Raises ValueError where the row is too short, or nothing stands before the answer.
    """
    n = len(answer)
    if n < 1 or first < 1 or first - 1 + n > len(logits):
        raise ValueError(f"answer of {n} tokens after {first} in a row of {len(logits)} logits")
    own = logits[first - 1 : first - 1 + n]
    return Answered(
        logprob=-F.cross_entropy(own, answer, reduction="sum").item(),
        tokens=n,
        right=int((own.argmax(-1) == answer).sum()),
    )


@torch.no_grad()
def read_answers(
    logits_of: Callable[[Tensor], Tensor], pairs: Sequence[Pair], rows: int = 64
) -> list[Answered]:
    """Each pair (ids before, ids of the answer) under a causal model; padding is on the right."""
    order = sorted(range(len(pairs)), key=lambda i: sum(map(len, pairs[i])))
    found: list[Answered | None] = [None] * len(pairs)
    for start in range(0, len(order), rows):
        chosen = order[start : start + rows]
        width = sum(map(len, pairs[chosen[-1]]))
        tokens = torch.zeros(len(chosen), width, dtype=torch.long)
        for row, i in zip(tokens, chosen, strict=True):
            both = [*pairs[i][0], *pairs[i][1]]
            row[: len(both)] = torch.tensor(both)
        for logits, i in zip(logits_of(tokens), chosen, strict=True):
            context, answer = pairs[i]
            found[i] = answered(logits, torch.tensor(answer, device=logits.device), len(context))
    return found


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
        "exact": float(np.mean([r.exact for r in results])),
        "independent": float(np.mean(rate**tokens)),
    }
