"""Attention sinks: why a head piles weight on the first token, and two ways to spare it that.

A softmax must give away a weight of 1 even where a head has nothing to say. A trained head learns
to leave it on a token that is always there and whose value it has made small. This module holds the
softmax with a place of its own for that weight, and the smallest task on which sinks appear.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def sink_softmax(
    scores: Float[Tensor, "batch n_heads q k"], sink: Float[Tensor, " n_heads"]
) -> Float[Tensor, "batch n_heads q k"]:
    """p_j = exp(s_j) / (exp(b) + sum_i exp(s_i)), with one learned number b a head.

    Rows sum to less than 1: the rest went to the sink, which has no value. b = -inf is the usual
    softmax; b = 0 is the "softmax off by one" (Miller 2023); a learned b is in gpt-oss (OpenAI
    2025). Equal to one more key of score b whose value is 0.
    """
    if scores.ndim != 4 or sink.shape != scores.shape[1:2]:
        raise ValueError(
            f"sink_softmax: sink has shape {tuple(sink.shape)}, expected ({scores.shape[1]},), "
            f"one number for each head of scores {tuple(scores.shape)}"
        )
    column = sink.view(1, -1, 1, 1).expand(*scores.shape[:3], 1)
    every = torch.cat((scores, column.to(scores.dtype)), dim=-1)
    weights = torch.exp(every - every.amax(-1, keepdim=True))
    return (weights / weights.sum(-1, keepdim=True))[..., :-1]


class NullKey:
    """A cache whose only content is one key and one value of zeros, before the first token.

    Its score is 0 for every query and its value adds nothing, so a decoder called with a fresh
    NullKey attends with `sink_softmax` at b = 0 ("Zero Sink": Xiao et al. 2024, section 3.3), with
    no change to the model. Give the decoder a mask of seq + 1 keys.
    """

    length = 1

    def update(
        self,
        layer: int,
        k: Float[Tensor, "batch n_kv_heads seq d_head"],
        v: Float[Tensor, "batch n_kv_heads seq d_value"],
    ) -> tuple[
        Float[Tensor, "batch n_kv_heads seq_and_1 d_head"],
        Float[Tensor, "batch n_kv_heads seq_and_1 d_value"],
    ]:
        """The zeros, then what is given; nothing is kept."""
        zeros = (t.new_zeros(*t.shape[:2], 1, t.shape[3]) for t in (k, v))
        return tuple(torch.cat(two, dim=2) for two in zip(zeros, (k, v), strict=True))


def backcopy_chain(
    vocab_size: int, triggers: int, generator: torch.Generator, sharpness: float = 2.0
) -> Float[Tensor, "vocab vocab"]:
    """Transition probabilities between tokens 1 ... vocab_size - 1; token 0 only begins a text.

    The rows of the tokens 1 ... `triggers` are never used: what follows a trigger is a copy.
    """
    if not 1 <= triggers < vocab_size - 1:
        raise ValueError(
            f"backcopy_chain: triggers is {triggers}, expected 1 to {vocab_size - 2} "
            "(vocab_size - 2)"
        )
    logits = sharpness * torch.randn(vocab_size, vocab_size, generator=generator)
    logits[:, 0] = float("-inf")
    return logits.softmax(-1)


def backcopy_batch(
    chain: Float[Tensor, "vocab vocab"],
    triggers: int,
    rows: int,
    seq: int,
    generator: torch.Generator,
) -> Int[Tensor, "rows seq"]:
    """Texts of the bigram-backcopy task (Guo et al. 2024, section 2).

    Each text begins with token 0. After a trigger (a token 1 ... `triggers`) comes the token before
    the trigger again; after any other token, a draw from that token's row of `chain`. So a head is
    needed at triggers alone, to look one token back, and has nothing to say anywhere else.
    """
    if seq < 2:
        raise ValueError(f"backcopy_batch: seq is {seq}, expected at least 2")
    texts = torch.zeros(rows, seq, dtype=torch.long)
    for i in range(1, seq):
        now = texts[:, i - 1]
        drawn = torch.multinomial(chain[now], 1, generator=generator).squeeze(1)
        copy = (now >= 1) & (now <= triggers) & (i >= 3)
        texts[:, i] = torch.where(copy, texts[:, i - 2], drawn)
    return texts
