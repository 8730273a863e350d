"""Choosing tokens: temperature, top-k, top-p, and batched generation."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_lib.architecture.attention.dot_product import GrowingCache
from course_lib.architecture.attention.masks import causal_mask
from course_lib.architecture.decoder import Decoder


def filter_logits(
    logits: Float[Tensor, "batch vocab"],
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Float[Tensor, "batch vocab"]:
    """Divide by the temperature, then set the logits that may not be drawn to -inf.

    top_k keeps the k largest (Fan et al. 2018). top_p keeps the fewest whose probabilities reach
    p, at least one (Holtzman et al. 2020, section 3.1). In that order, as `transformers` does.
    """
    logits = logits / temperature
    if top_k is not None and top_k < logits.shape[-1]:
        smallest = logits.topk(top_k, dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < smallest, float("-inf"))
    if top_p is not None and top_p < 1.0:
        ordered, index = logits.sort(dim=-1, descending=True)
        probabilities = ordered.softmax(-1)
        before = probabilities.cumsum(-1) - probabilities  # mass of the more likely ones
        dropped = (before >= top_p).scatter(-1, index, before >= top_p)
        logits = logits.masked_fill(dropped, float("-inf"))
    return logits


def next_tokens(
    logits: Float[Tensor, "batch vocab"],
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> Int[Tensor, " batch"]:
    """The most likely token at temperature 0 (greedy), else a draw from the filtered softmax."""
    if temperature == 0.0:
        return logits.argmax(-1)
    probabilities = filter_logits(logits, temperature, top_k, top_p).softmax(-1)
    return torch.multinomial(probabilities, 1, generator=generator).squeeze(1)


@torch.inference_mode()
def generate(
    model: Decoder,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    stop_ids: Sequence[int] = (),
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
    use_cache: bool = True,
) -> list[list[int]]:
    """Continue every prompt; return the new tokens alone, the stop id included where one came.

    Prompts of unequal length are padded on the left; padding is masked and positions count from
    each prompt's own first token, so a prompt's greedy answer does not depend on its neighbours.
    `use_cache=False` recomputes everything at each token: the slow reference.
    """
    check_request(model, prompts, max_new_tokens)
    check_choice(temperature, top_k, top_p)
    device = model.embed.weight.device
    tokens, real = pad_left(prompts, device)
    stops = torch.tensor(list(stop_ids), dtype=torch.long, device=device)
    padded = not bool(real.all())
    rows = torch.arange(len(prompts), device=device)  # which prompt each live row continues
    replies: list[list[int]] = [[] for _ in prompts]
    written: list[Tensor] = []  # one column a step, for the live rows
    cache = GrowingCache(tokens.shape[1] + max_new_tokens) if use_cache else None

    done = torch.zeros(len(prompts), dtype=torch.bool, device=device)
    for step in range(max_new_tokens):
        logits = _last_logits(model, tokens, real if padded else None, cache)
        chosen = next_tokens(logits, temperature, top_k, top_p, generator)
        written.append(chosen)
        done = done | torch.isin(chosen, stops)
        n_done = int(done.sum())
        if n_done == len(rows) or step + 1 == max_new_tokens:
            break
        tokens = torch.cat((tokens, chosen.unsqueeze(1)), dim=1)
        real = torch.nn.functional.pad(real, (0, 1), value=True)
        if 2 * n_done > len(rows):  # drop the finished rows once they are most of the batch
            _collect(replies, rows, written)
            live = (~done).nonzero().squeeze(1)
            rows, tokens, real, done, written = rows[live], tokens[live], real[live], done[live], []
            if cache is not None:
                cache.keep(live)
    _collect(replies, rows, written)
    return [_cut(reply, set(stop_ids)) for reply in replies]


def pad_left(
    prompts: Sequence[Sequence[int]], device: torch.device | str | None = None
) -> tuple[Int[Tensor, "batch seq"], Bool[Tensor, "batch seq"]]:
    """Token ids with 0 in front of the shorter prompts, and where they are real."""
    longest = max(len(prompt) for prompt in prompts)
    rows = [[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
    lengths = torch.tensor([len(prompt) for prompt in prompts]).unsqueeze(1)
    real = torch.arange(longest) >= longest - lengths
    return torch.tensor(rows, device=device), real.to(device)


def _last_logits(
    model: Decoder, tokens: Tensor, real: Tensor | None, cache: GrowingCache | None
) -> Tensor:
    """Logits after the last token: feed what the cache has not seen yet (all, without a cache)."""
    past = 0 if cache is None else cache.length
    new = tokens[:, past:]
    if real is None:  # nothing is padded: the model's own mask and positions do
        return model.unembed(model.hidden(new, cache=cache)[:, -1])
    seq, window = tokens.shape[1], model.config.sliding_window
    mask = causal_mask(seq - past, seq, window, device=tokens.device) & real.unsqueeze(1)
    if past == 0:  # padding looks at itself, so that no row of the softmax is empty
        mask = mask | torch.eye(seq, dtype=torch.bool, device=tokens.device)
    positions = (real.cumsum(1) - 1).clamp(min=0)[:, past:]
    h = model.hidden(new, positions=positions, mask=mask, cache=cache)
    return model.unembed(h[:, -1])


def _collect(replies: list[list[int]], rows: Tensor, written: list[Tensor]) -> None:
    """Move the written columns into the replies of the rows that wrote them."""
    if written:
        columns = torch.stack(written, dim=1).tolist()
        for row, column in zip(rows.tolist(), columns, strict=True):
            replies[row].extend(column)


def _cut(reply: list[int], stops: set[int]) -> list[int]:
    """Up to and including the first stop id."""
    for i, token in enumerate(reply):
        if token in stops:
            return reply[: i + 1]
    return reply


def check_request(model: Decoder, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> None:
    """Raise ValueError where there is nothing to continue or no room to write."""
    empty = [i for i, prompt in enumerate(prompts) if len(prompt) == 0]
    if not prompts or empty:
        raise ValueError(f"prompts: {len(prompts)} given, of which {empty} are empty")
    longest, room = max(len(prompt) for prompt in prompts), model.config.max_seq
    if max_new_tokens < 1 or longest + max_new_tokens > room:
        raise ValueError(
            f"max_new_tokens is {max_new_tokens}, expected 1 to {room - longest}: the longest "
            f"prompt has {longest} tokens and max_seq is {room}"
        )


def check_choice(temperature: int | float, top_k: int | None, top_p: int | float | None) -> None:
    """Raise ValueError for a setting that no choice of tokens can have."""
    check("temperature", temperature, 0 <= temperature < float("inf"), "0 (greedy) or more")
    if top_k is not None:
        check("top_k", top_k, isinstance(top_k, int) and top_k >= 1, "a whole number from 1")
    if top_p is not None:
        check("top_p", top_p, 0 < top_p <= 1, "more than 0, up to 1 (keeps all)")


def check(name: str, value: object, accepted: bool, expected: str) -> None:
    """Raise ValueError that names the value unless it is ``accepted``."""
    if not accepted:
        raise ValueError(f"{name} is {value}, expected {expected}")
