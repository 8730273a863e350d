"""Texts that grow together: their tokens, and the keys and values that the model has of them."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_lib.architecture.attention.dot_product import Cache, GrowingCache
from course_lib.architecture.attention.masks import causal_mask
from course_lib.architecture.decoder import Decoder


class Sequences:
    """A batch of unequal prompts and what is written after them, all of one length at any time.

    Prompts are padded on the left. Padding is masked, and positions count from each text's own
    first token, so that a text doesn't depend on its neighbours.
    """

    def __init__(
        self, model: Decoder, prompts: Sequence[Sequence[int]], cache: Cache | None = None
    ) -> None:
        self.model = model
        self.tokens, self.real = pad_left(prompts, model.device)
        self.padded = not bool(self.real.all())
        self.cache = GrowingCache(2 * self.tokens.shape[1]) if cache is None else cache

    def next_logits(self) -> Float[Tensor, "batch vocab"]:
        """Of each text's next token. Only what the cache lacks goes through the model."""
        past, seq = self.cache.length, self.tokens.shape[1]
        new = self.tokens[:, past:]
        if not self.padded:  # the model's own mask and positions do
            return self.model.unembed(self.model.hidden(new, cache=self.cache)[:, -1])
        window, device = self.model.config.sliding_window, new.device
        mask = causal_mask(seq - past, seq, window, device) & self.real.unsqueeze(1)
        if past == 0:  # padding looks at itself, so that no row of the softmax is empty
            mask = mask | torch.eye(seq, dtype=torch.bool, device=device)
        positions = (self.real.cumsum(1) - 1).clamp(min=0)[:, past:]
        h = self.model.hidden(new, positions=positions, mask=mask, cache=self.cache)
        return self.model.unembed(h[:, -1])

    def append(self, chosen: Int[Tensor, " batch"]) -> None:
        """One more token to each text."""
        self.tokens = torch.cat((self.tokens, chosen.unsqueeze(1)), dim=1)
        self.real = torch.nn.functional.pad(self.real, (0, 1), value=True)

    def keep(self, rows: Int[Tensor, " kept"]) -> None:
        """Keep these rows of the batch, in this order; a row may come more than once."""
        self.tokens, self.real = self.tokens[rows], self.real[rows]
        self.cache.keep(rows)


def pad_left(
    prompts: Sequence[Sequence[int]], device: torch.device | str | None = None
) -> tuple[Int[Tensor, "batch seq"], Bool[Tensor, "batch seq"]]:
    """Token ids with 0 in front of the shorter prompts, and where they are real."""
    longest = max(len(prompt) for prompt in prompts)
    rows = [[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
    lengths = torch.tensor([len(prompt) for prompt in prompts]).unsqueeze(1)
    real = torch.arange(longest) >= longest - lengths
    return torch.tensor(rows, device=device), real.to(device)


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
