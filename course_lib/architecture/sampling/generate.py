"""Writing: the one loop by which the course's models continue texts, batched and cached.

`stream` is the loop. `generate` runs it to the end for one batch, `complete` for any number of
prompts; a server takes its tokens as they come. `beam` searches over the same `Sequences`.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool
from torch import Tensor

from course_lib.architecture.attention.dot_product import Cache, GrowingCache
from course_lib.architecture.decoder import Decoder
from course_lib.architecture.sampling.filters import GREEDY, Filters, seen_tokens
from course_lib.architecture.sampling.sequences import Sequences, check_request

MAX_NEW_TOKENS = 64  # of a reply in every exam: the longest right one of the micro-world takes 41


@runtime_checkable
class Constraint(Protocol):
    """What one text may still write. `constrained.GrammarConstraint` is one."""

    def allowed(self, tokens_left: int) -> Bool[Tensor, " vocab"]:
        """True for the tokens that may come next, when so many may still be written."""

    def advance(self, token: int) -> None:
        """Take note of the token that was chosen."""


def stream(
    model: Decoder,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    stop_ids: Sequence[int] = (),
    filters: Filters = GREEDY,
    constraints: Sequence[Constraint] | None = None,
    generator: torch.Generator | None = None,
    cache: Cache | None = None,
    drop_above: float = 0.5,
) -> Iterator[list[tuple[int, int]]]:
    """At each step, (number of the prompt, its new token) for every text that isn't finished.

    A step: the model's logits, then the constraint's mask, then the filters, then the choice. A
    text is finished by a stop id, which is its last token, or by the limit. constraints: one a
    prompt. A mask only removes tokens: the logits of those that may come go to the filters as the
    model gave them.

    drop_above: finished texts leave the batch once they are more than this share of it. To leave
    costs a copy of the cache, to stay costs computing for nothing. A text that has left takes no
    random number, so draws depend on it. With constraints they leave at once.

    Inference mode belongs to the thread, and a server may resume this on another one, so it is
    entered anew for each step and never held across a `yield`.
    """
    check_request(model, prompts, max_new_tokens)
    if constraints is not None and len(constraints) != len(prompts):
        raise ValueError(f"{len(constraints)} constraints, expected one a prompt: {len(prompts)}")
    if cache is None:
        cache = GrowingCache(max(map(len, prompts)) + max_new_tokens)
    if cache.length:
        raise ValueError(f"the cache holds {cache.length} tokens, expected an empty one")
    texts, stops = Sequences(model, prompts, cache), set(stop_ids)
    rows = list(range(len(prompts)))  # which prompt each row of the batch continues
    finished: set[int] = set()
    share = drop_above if constraints is None else 0.0
    for left in range(max_new_tokens, 0, -1):
        with torch.inference_mode():
            masks = None if constraints is None else [constraints[i].allowed(left) for i in rows]
            chosen = _choose(texts, masks, filters, generator)
        pairs = zip(rows, chosen.tolist(), strict=True)
        new = [(i, token) for i, token in pairs if i not in finished]
        if constraints is not None:
            for i, token in new:
                constraints[i].advance(token)
        yield new
        finished.update(i for i, token in new if token in stops)
        done = sum(i in finished for i in rows)
        if done == len(rows) or left == 1:
            return
        with torch.inference_mode():
            texts.append(chosen)
            if done > share * len(rows):
                going = [n for n, i in enumerate(rows) if i not in finished]
                texts.keep(torch.tensor(going, device=chosen.device))
                rows = [rows[n] for n in going]


def generate(
    model: Decoder,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    stop_ids: Sequence[int] = (),
    filters: Filters = GREEDY,
    constraints: Sequence[Constraint] | None = None,
    generator: torch.Generator | None = None,
    drop_above: float = 0.5,
) -> list[list[int]]:
    """Continue every prompt; return the new tokens alone, the stop id included where one came.

    All prompts are one batch; a prompt's greedy answer doesn't depend on the others. See `stream`.
    """
    replies: list[list[int]] = [[] for _ in prompts]
    for step in stream(
        model,
        prompts,
        max_new_tokens=max_new_tokens,
        stop_ids=stop_ids,
        filters=filters,
        constraints=constraints,
        generator=generator,
        drop_above=drop_above,
    ):
        for i, token in step:
            replies[i].append(token)
    return replies


def complete(
    model: Decoder,
    prompts: Sequence[Sequence[int]],
    *,
    stop_ids: Sequence[int],
    max_new_tokens: int = MAX_NEW_TOKENS,
    batch_size: int = 100,
    filters: Filters = GREEDY,
    generator: torch.Generator | None = None,
) -> list[list[int]]:
    """`generate` for any number of prompts, in their order; those of like length share a batch.

    max_new_tokens: at most so many, fewer for a prompt that leaves less of the model's context;
    another one's reply isn't cut for it. Raises ValueError for a prompt that leaves no room at all.
    """
    longest = max(map(len, prompts), default=0)
    room = model.config.max_seq - longest
    if room < 1:
        raise ValueError(f"a prompt has {longest} tokens: no room for a reply")
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))  # less padding
    replies: list[list[int]] = [[] for _ in prompts]
    for limit, group in groupby(
        order, key=lambda i: min(max_new_tokens, model.config.max_seq - len(prompts[i]))
    ):
        rows = list(group)
        for start in range(0, len(rows), batch_size):
            chosen = rows[start : start + batch_size]
            new = generate(
                model,
                [prompts[i] for i in chosen],
                max_new_tokens=limit,
                stop_ids=stop_ids,
                filters=filters,
                generator=generator,
            )
            for i, reply in zip(chosen, new, strict=True):
                replies[i] = reply
    return replies


def _choose(
    texts: Sequences,
    masks: list[Tensor] | None,
    filters: Filters,
    generator: torch.Generator | None,
) -> Tensor:
    """One token for each row of the batch."""
    logits = texts.next_logits()
    if masks is not None:
        logits = logits.masked_fill(~torch.stack(masks).to(logits.device), float("-inf"))
    seen = None
    if filters.repetition_penalty != 1.0:
        seen = seen_tokens(texts.tokens, texts.real, logits.shape[-1])
    return filters.choose(logits, seen, generator)
