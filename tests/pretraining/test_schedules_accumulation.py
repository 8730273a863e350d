"""Parts equal the whole; and the common error doesn't."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.pretraining.loss import IGNORE, cross_entropy
from course_lib.pretraining.schedules.accumulation import (
    accumulate,
    gradients,
    split,
    surprisal_sum,
    token_count,
)


def uneven(rows: int = 6, seq: int = 8, vocab: int = 11, seed: int = 0):
    """Rows with 1 to `seq` targets each."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randint(1, vocab, (rows, seq), generator=generator)
    targets = torch.randint(1, vocab, (rows, seq), generator=generator)
    lengths = torch.randint(1, seq + 1, (rows,), generator=generator)
    lengths[0] = seq
    return inputs, targets.masked_fill(torch.arange(seq) >= lengths[:, None], IGNORE)


def small_model() -> nn.Module:
    config = ModelConfig(vocab_size=11, d_model=16, n_layers=1, n_heads=2, d_ff=24, max_seq=8)
    return Decoder(config, generator=torch.Generator().manual_seed(0)).double()


def whole_gradient(model: nn.Module, batch) -> torch.Tensor:
    model.zero_grad()
    cross_entropy(model(batch[0]), batch[1]).backward()
    return gradients(model)


@given(st.integers(1, 7), st.integers(0, 20))
def test_parts_give_the_gradient_and_loss_of_the_whole(rows, seed):
    model, batch = small_model(), uneven(seed=seed)
    wanted = whole_gradient(model, batch)
    loss = accumulate(model, split(batch, rows))
    assert wanted.abs().max() > 1e-3
    torch.testing.assert_close(gradients(model), wanted, rtol=1e-5, atol=1e-8)
    assert loss == pytest.approx(cross_entropy(model(batch[0]), batch[1]).item(), rel=1e-6)


def test_the_mean_of_means_is_another_gradient():
    model, batch = small_model(), uneven()
    wanted = whole_gradient(model, batch)
    model.zero_grad()
    parts = split(batch, 1)
    for inputs, targets in parts:
        (cross_entropy(model(inputs), targets) / len(parts)).backward()
    assert (gradients(model) - wanted).norm() > 0.05 * wanted.norm()


def test_old_gradients_are_dropped():
    model, batch = small_model(), uneven()
    accumulate(model, split(batch, 2))
    first = gradients(model)
    accumulate(model, split(batch, 2))
    assert torch.equal(gradients(model), first)


def test_a_part_without_targets_counts_nothing():
    model, (inputs, targets) = small_model(), uneven()
    targets[:2] = IGNORE
    wanted = whole_gradient(model, (inputs, targets))
    accumulate(model, split((inputs, targets), 2))
    torch.testing.assert_close(gradients(model), wanted, rtol=1e-5, atol=1e-8)


def test_surprisal_sum_by_hand():
    logits = torch.zeros(1, 3, 4)
    assert surprisal_sum(logits, torch.tensor([[1, IGNORE, 2]])).item() == pytest.approx(
        2 * torch.tensor(4.0).log().item()
    )


def test_refusals():
    batch = uneven()
    with pytest.raises(ValueError, match="batch_size=0"):
        split(batch, 0)
    with pytest.raises(ValueError, match="all targets are -100"):
        token_count([(batch[0], torch.full_like(batch[1], IGNORE))])


def test_gradients_counts_missing_ones_as_zero():
    model = nn.Linear(2, 1)
    model.weight.grad = torch.ones(1, 2)
    assert gradients(model).tolist() == [1.0, 1.0, 0.0]
