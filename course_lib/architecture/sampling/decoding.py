"""Writing with any filter and any constraint: the general loop, and the rows that it extends.

`generate.generate` is the short way for temperature, top-k and top-p. `decode` takes every filter,
and a constraint that says at each step which tokens may come; `beam` searches over the same rows.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_lib.architecture.attention.dot_product import GrowingCache
from course_lib.architecture.attention.masks import causal_mask
from course_lib.architecture.decoder import Decoder
from course_lib.architecture.sampling.filters import Filters, seen_tokens
from course_lib.architecture.sampling.generate import check_request, pad_left


@runtime_checkable
class Constraint(Protocol):
    """What one row may still write. `constrained.GrammarConstraint` is one."""

    def allowed(self, tokens_left: int) -> Bool[Tensor, " vocab"]:
        """True for the tokens that may come next, when so many may still be written."""

    def advance(self, token: int) -> None:
        """Take note of the token that was chosen."""


class Rows:
    """Texts that grow together: their tokens, and the keys and values the model has of them.

    Prompts of unequal length are padded on the left. Padding is masked, and positions count from
    each row's own first token, so that a row doesn't depend on its neighbours.
    """

    def __init__(self, model: Decoder, prompts: Sequence[Sequence[int]]) -> None:
        self.model = model
        self.tokens, self.real = pad_left(prompts, model.embed.weight.device)
        self.cache = GrowingCache(2 * self.tokens.shape[1])

    def logits(self) -> Float[Tensor, "batch vocab"]:
        """Of each row's next token. Only what the cache lacks goes through the model."""
        past, seq = self.cache.length, self.tokens.shape[1]
        new = self.tokens[:, past:]
        if bool(self.real.all()):
            h = self.model.hidden(new, cache=self.cache)
            return self.model.unembed(h[:, -1])
        window, device = self.model.config.sliding_window, new.device
        mask = causal_mask(seq - past, seq, window, device) & self.real.unsqueeze(1)
        itself = torch.eye(seq, dtype=torch.bool, device=device)[past:]
        positions = (self.real.cumsum(1) - 1).clamp(min=0)[:, past:]
        # Padding looks at itself, so that no row of the softmax is empty.
        h = self.model.hidden(new, positions=positions, mask=mask | itself, cache=self.cache)
        return self.model.unembed(h[:, -1])

    def append(self, chosen: Int[Tensor, " batch"]) -> None:
        """One more token to each row."""
        self.tokens = torch.cat((self.tokens, chosen.unsqueeze(1)), dim=1)
        self.real = torch.nn.functional.pad(self.real, (0, 1), value=True)

    def keep(self, rows: Int[Tensor, " kept"]) -> None:
        """Keep these rows, in this order; a row may come more than once."""
        self.tokens, self.real = self.tokens[rows], self.real[rows]
        self.cache.keep(rows)


@torch.inference_mode()
def decode(
    model: Decoder,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    stop_ids: Sequence[int] = (),
    filters: Filters | None = None,
    constraints: Sequence[Constraint] | None = None,
    generator: torch.Generator | None = None,
) -> list[list[int]]:
    """Continue every prompt; return the new tokens alone, the stop id included where one came.

    At each step: the model's logits, then the constraint's mask, then the filters, then the choice.
    filters: plain sampling at temperature 1 by default. constraints: one a prompt. A mask only
    removes tokens: the logits of those that may come go to the filters as the model gave them.
    """
    filters = Filters() if filters is None else filters
    check_request(model, prompts, max_new_tokens)
    if constraints is not None and len(constraints) != len(prompts):
        raise ValueError(f"{len(constraints)} constraints, expected one a prompt: {len(prompts)}")
    rows, stops = Rows(model, prompts), set(stop_ids)
    live = list(range(len(prompts)))  # which prompt each row continues
    replies: list[list[int]] = [[] for _ in prompts]
    for step in range(max_new_tokens):
        logits = rows.logits()
        if constraints is not None:
            left = max_new_tokens - step
            masks = torch.stack([constraints[i].allowed(left) for i in live]).to(logits.device)
            logits = logits.masked_fill(~masks, float("-inf"))
        seen = None
        if filters.repetition_penalty != 1.0:
            seen = seen_tokens(rows.tokens, rows.real, logits.shape[-1])
        chosen = filters.choose(logits, seen, generator)
        for i, token in zip(live, chosen.tolist(), strict=True):
            replies[i].append(token)
            if constraints is not None:
                constraints[i].advance(token)
        going = [n for n, i in enumerate(live) if replies[i][-1] not in stops]
        if not going:
            break
        rows.append(chosen)
        if len(going) < len(live):
            rows.keep(torch.tensor(going, device=chosen.device))
            live = [live[n] for n in going]
    return replies
