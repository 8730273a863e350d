"""What a transformer is trained to predict: three masks over attention, and masked-token inputs.

One network serves all three designs of Raffel et al. 2020 (section 3.2.1, figure 4). A decoder
sees what came before (`attention.causal_mask`), an encoder sees everything, and a prefix model
sees its input from both sides and its output from the left, as an encoder-decoder does.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import CrossEntropyLoss

from course_lib.architecture.attention.masks import causal_mask

IGNORE = CrossEntropyLoss().ignore_index  # torch's number, -100, for a target that isn't asked for


def full_mask(seq: int, device: torch.device | str | None = None) -> Bool[Tensor, "seq seq"]:
    """Every token sees every token: an encoder."""
    return torch.ones(seq, seq, dtype=torch.bool, device=device)


def prefix_mask(
    prefix: int, seq: int, device: torch.device | str | None = None
) -> Bool[Tensor, "seq seq"]:
    """The first `prefix` tokens are seen by all; the others are causal.

    An encoder-decoder has this pattern, with separate weights for its two halves. Raises
    ValueError where prefix is not in 0 ... seq.
    """
    if not 0 <= prefix <= seq:
        raise ValueError(f"prefix_mask: prefix is {prefix}, expected 0 to seq = {seq}")
    mask = causal_mask(seq, device=device)
    mask[:, :prefix] = True
    return mask


def mask_tokens(
    tokens: Int[Tensor, "batch seq"],
    *,
    mask_id: int,
    vocab: int,
    rate: float = 0.15,
    keep: Bool[Tensor, "batch seq"] | None = None,
    generator: torch.Generator | None = None,
) -> tuple[Int[Tensor, "batch seq"], Int[Tensor, "batch seq"]]:
    """Inputs and targets of the masked language model (Devlin et al. 2019, section 3.1).

    Each token is chosen with probability `rate`. Of the chosen, 80 % become `mask_id`, 10 % a
    random one of the `vocab` tokens, 10 % stay, so that the network can't tell which tokens it
    will be asked for. Targets are IGNORE except where a token was chosen. `keep` marks tokens that
    are never chosen, padding for example. Raises ValueError where rate is not in (0, 1].
    """
    if not 0 < rate <= 1:
        raise ValueError(f"mask_tokens: rate is {rate}, expected a share above 0, at most 1")
    chosen = _chance(tokens, generator) < rate
    if keep is not None:
        chosen &= ~keep
    fate = _chance(tokens, generator)
    noise = torch.randint(0, vocab, tokens.shape, generator=generator, device=tokens.device)
    inputs = torch.where(chosen & (fate < 0.8), mask_id, tokens)
    inputs = torch.where(chosen & (fate >= 0.8) & (fate < 0.9), noise, inputs)
    return inputs, tokens.masked_fill(~chosen, IGNORE)


def _chance(
    like: Int[Tensor, "batch seq"], generator: torch.Generator | None
) -> Float[Tensor, "batch seq"]:
    return torch.rand(like.shape, generator=generator, device=like.device)
