"""Which tokens of a chat the loss counts: those of the reply, never those of the question.

One example is a prompt and a reply, already in token ids:

    <|eos|> <|user|> Where is Ann ? <|end|> <|assistant|>   In the mill . <|end|>
    '------------------- prompt ---------------------'     '----- reply -------'

Position t predicts token t + 1, so the last prompt token already predicts the first of the reply.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from course_lib.data.mixing.packing import best_fit
from course_lib.pretraining.loss import IGNORE


@dataclass(frozen=True)
class Example:
    """One turn of chat: what the model is given, and what it is to say (both token ids)."""

    prompt: tuple[int, ...]
    reply: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.prompt or not self.reply:
            raise ValueError(f"an example needs a prompt and a reply, got {self}")

    @property
    def length(self) -> int:
        """How many positions it takes in a row: the last token is only ever a target."""
        return len(self.prompt) + len(self.reply) - 1


def answer_only(prompt: Sequence[int], reply: Sequence[int]) -> tuple[list[int], list[int]]:
    """(inputs, targets) of one example, both of length len(prompt) + len(reply) - 1.

    targets[t] = tokens[t + 1] where that token belongs to the reply, else IGNORE. The token that
    ends the reply counts: without it the model never learns to stop.
    """
    tokens = [*prompt, *reply]
    targets = [IGNORE] * (len(prompt) - 1) + list(reply)
    return tokens[:-1], targets


Rows = tuple[Tensor, Tensor]  # inputs and targets, both [batch seq]


def pad_rows(examples: Sequence[Example], pad_id: int) -> Rows:
    """(inputs, targets), one example a row, padded on the right up to the longest.

    Raises ValueError where there are none.
    """
    if not examples:
        raise ValueError("examples is empty: expected at least one to make a row of")
    return _stack([[example] for example in examples], max(e.length for e in examples), pad_id)


def pack_rows(examples: Sequence[Example], seq_len: int, pad_id: int) -> Rows:
    """(inputs, targets) with several whole examples a row, best fit first.

    Each example starts with <|eos|>, so the document mask of pretraining keeps them apart.
    Raises ValueError for an example that fits in no row, and where there are none.
    """
    if not examples:
        raise ValueError("examples is empty: expected at least one to make a row of")
    groups = best_fit([example.length for example in examples], seq_len)
    rows = [[examples[i] for i in group] for group in groups]
    return _stack(rows, seq_len, pad_id)


def join_rows(first: Rows, second: Rows, pad_id: int) -> Rows:
    """The rows of both batches in one, the shorter ones padded on the right."""
    width = max(first[0].shape[1], second[0].shape[1])

    def widen(rows: Tensor, value: int) -> Tensor:
        return F.pad(rows, (0, width - rows.shape[1]), value=value)

    return (
        torch.cat([widen(first[0], pad_id), widen(second[0], pad_id)]),
        torch.cat([widen(first[1], IGNORE), widen(second[1], IGNORE)]),
    )


def target_logprobs(
    logits: Float[Tensor, "batch seq vocab"], targets: Int[Tensor, "batch seq"]
) -> Float[Tensor, "batch seq"]:
    """log p(target | what came before) at every counted position, 0 where the target is IGNORE."""
    return -F.cross_entropy(logits.transpose(1, 2), targets, ignore_index=IGNORE, reduction="none")


def _stack(rows: list[list[Example]], width: int, pad_id: int) -> Rows:
    inputs = torch.full((len(rows), width), pad_id, dtype=torch.long)
    targets = torch.full((len(rows), width), IGNORE, dtype=torch.long)
    for i, row in enumerate(rows):
        start = 0
        for example in row:
            x, y = answer_only(example.prompt, example.reply)
            inputs[i, start : start + len(x)] = torch.tensor(x)
            targets[i, start : start + len(y)] = torch.tensor(y)
            start += len(x)
    return inputs, targets
