"""The loss mask: a hand-worked example, and packing that changes nothing about any example."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.pretraining.loss import IGNORE
from course_lib.sft.masking import (
    Example,
    answer_only,
    join_rows,
    pack_rows,
    pad_rows,
    target_logprobs,
)

EOS = 0
tokens = st.lists(st.integers(4, 30), min_size=1, max_size=9)
examples = st.lists(
    st.builds(lambda p, r: Example((EOS, *p), tuple(r)), tokens, tokens), min_size=1, max_size=8
)


def test_by_hand():
    inputs, targets = answer_only([0, 1, 7, 3, 2], [8, 9, 3])
    assert inputs == [0, 1, 7, 3, 2, 8, 9]
    assert targets == [IGNORE, IGNORE, IGNORE, IGNORE, 8, 9, 3]


def test_padding_is_not_counted():
    inputs, targets = pad_rows([Example((0, 5), (6,)), Example((0, 5), (6, 7, 3))], EOS)
    assert inputs.tolist() == [[0, 5, 0, 0], [0, 5, 6, 7]]
    assert targets.tolist() == [[-100, 6, -100, -100], [-100, 6, 7, 3]]


@given(examples)
def test_packing_counts_every_reply_token_once(made):
    _, targets = pack_rows(made, 32, EOS)
    counted = sorted(targets[targets != IGNORE].tolist())
    assert counted == sorted(t for example in made for t in example.reply)


@settings(max_examples=20, deadline=None)
@given(examples)
def test_packed_with_document_mask_equals_one_by_one(made):
    sizes = dict(vocab_size=31, d_model=16, n_layers=2, n_heads=2, n_kv_heads=1, d_ff=16)
    model = Decoder(ModelConfig(**sizes), torch.Generator().manual_seed(0))
    inputs, targets = pack_rows(made, 32, EOS)
    with torch.no_grad():
        packed = target_logprobs(model(inputs, documents=(inputs == EOS).cumsum(1)), targets)
        alone = sum(
            target_logprobs(model(x), y).sum() for x, y in (pad_rows([e], EOS) for e in made)
        )
    assert packed.sum().item() == pytest.approx(alone.item(), abs=1e-3)
    assert alone.item() < -1.0  # an all-zero answer would not pass


def test_target_logprobs_are_the_cross_entropy_term_by_term():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 5, generator=generator)
    targets = torch.tensor([[1, IGNORE, 4], [IGNORE, 0, 2]])
    found = target_logprobs(logits, targets)
    assert found[targets == IGNORE].abs().sum() == 0
    expected = -F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")
    assert torch.allclose(found.sum(), expected)
    assert torch.allclose(found[0, 2], logits[0, 2].log_softmax(-1)[4])


def test_join_rows_widens_the_narrower_batch():
    wide, narrow = torch.ones(1, 4, dtype=torch.long), torch.ones(2, 2, dtype=torch.long)
    inputs, targets = join_rows((wide, wide), (narrow, narrow), EOS)
    assert inputs.shape == (3, 4)
    assert inputs[1].tolist() == [1, 1, EOS, EOS]
    assert targets[1].tolist() == [1, 1, IGNORE, IGNORE]


def test_errors_name_the_value():
    with pytest.raises(ValueError, match="prompt and a reply"):
        Example((1,), ())
    with pytest.raises(ValueError, match="length 10"):
        pack_rows([Example((0,) * 6, (5,) * 5)], 8, EOS)
