"""Masks of the three designs, and the masked language model's inputs and targets."""

import pytest
import torch

from course_lib.architecture.attention.masks import causal_mask
from course_lib.architecture.map import IGNORE, full_mask, mask_tokens, prefix_mask

MASK_ID, VOCAB = 50, 50


def draw(shape=(64, 500), **options):
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, VOCAB, shape, generator=generator)
    made = mask_tokens(tokens, mask_id=MASK_ID, vocab=VOCAB, generator=generator, **options)
    return tokens, *made


def test_prefix_mask_by_hand():
    want = torch.tensor([[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]).bool()
    assert torch.equal(prefix_mask(2, 4), want)


def test_a_prefix_of_nothing_is_causal_and_of_all_is_full():
    assert torch.equal(prefix_mask(0, 5), causal_mask(5))
    assert torch.equal(prefix_mask(5, 5), full_mask(5))


@pytest.mark.parametrize("prefix", [-1, 5])
def test_prefix_out_of_range(prefix):
    with pytest.raises(ValueError, match=f"prefix is {prefix}, expected 0 to seq = 4"):
        prefix_mask(prefix, 4)


def test_shares_of_the_masked_language_model():
    tokens, inputs, targets = draw()
    chosen = targets != IGNORE
    assert torch.equal(inputs[~chosen], tokens[~chosen])
    assert torch.equal(targets[chosen], tokens[chosen])
    n = int(chosen.sum())
    masked = (inputs == MASK_ID).sum().item() / n
    changed = (chosen & (inputs != MASK_ID) & (inputs != tokens)).sum().item() / n
    # Binomial standard errors: 0.002 of 32,000 tokens, 0.006 and 0.004 of 4,800 chosen ones.
    assert n / tokens.numel() == pytest.approx(0.15, abs=0.01)
    assert masked == pytest.approx(0.8, abs=0.03)
    assert changed == pytest.approx(0.1 * (VOCAB - 1) / VOCAB, abs=0.02)


def test_kept_tokens_are_never_chosen():
    keep = torch.zeros(64, 500, dtype=torch.bool)
    keep[:, ::2] = True
    tokens, inputs, targets = draw(rate=1.0, keep=keep)
    assert (targets[keep] == IGNORE).all()
    assert torch.equal(inputs[keep], tokens[keep])
    assert torch.equal(targets[~keep], tokens[~keep])


def test_the_same_generator_gives_the_same_masks():
    assert all(torch.equal(a, b) for a, b in zip(draw(), draw(), strict=True))


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.5])
def test_rate_out_of_range(rate):
    with pytest.raises(ValueError, match=f"rate is {rate}"):
        draw(rate=rate)
