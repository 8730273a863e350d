"""Both encoders see both sides, learn to fill in, and are judged alike."""

import pytest
import torch
from torch import nn

from course_lib.architecture.decoder import Decoder
from course_lib.data.mixing.packing import pack
from course_lib.data.tokenization.tokenizer import train_bpe
from course_lib.pretraining.libraries.masked import (
    MASK,
    Encoder,
    MaskedConfig,
    guesses,
    train_library,
    train_ours,
)

CONFIG = MaskedConfig(d_model=16, n_layers=1, seq_len=24, steps=30, batch_size=8, lr=1e-2)


@pytest.fixture(scope="module")
def text():
    texts = [f"{a} met {b} twice." for a in ("Anna", "Boris", "Dora") for b in ("Emil", "Fred")] * 8
    tokenizer = train_bpe(texts, 300)
    return pack(tokenizer.encode_batch(texts), 24, tokenizer.eos_id), tokenizer


def test_the_encoder_sees_both_sides():
    encoder = Encoder(Decoder(CONFIG.model(50), torch.Generator().manual_seed(0)))
    one = torch.arange(12)[None]
    two = one.clone()
    two[0, -1] = 40
    assert (encoder(one) - encoder(two))[:, 0].abs().max() > 1e-4


def test_the_encoder_keeps_documents_apart():
    encoder = Encoder(Decoder(CONFIG.model(50), torch.Generator().manual_seed(0)))
    one = torch.arange(12)[None]
    two = one.clone()
    two[0, -1] = 40
    documents = (torch.arange(12) >= 6).long()[None]
    moved = (encoder(one, documents=documents) - encoder(two, documents=documents)).abs()
    assert moved[0, :6].max() == 0, "the first document doesn't see the second"
    assert moved[0, 6].max() > 1e-4, "and the second sees all of itself"


@pytest.mark.parametrize("fit", [train_ours, train_library])
def test_training_lowers_the_loss_and_fills_in(text, fit):
    rows, tokenizer = text
    before = torch.random.get_rng_state()
    model, curve = fit(rows, tokenizer, CONFIG)
    assert curve[-1][0] == CONFIG.steps
    assert curve[-1][1] < curve[0][1] - 1.5
    assert guesses(model, rows, tokenizer) > 0.15
    if fit is train_library:
        assert torch.equal(before, torch.random.get_rng_state()), "the caller draws on as before"


def test_guesses_by_a_model_that_knows(text):
    rows, tokenizer = text

    class Oracle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def forward(self, tokens):
            assert (tokens == tokenizer.vocab_size).any(), "nothing was hidden"
            return nn.functional.one_hot(rows.inputs, tokenizer.vocab_size + 1).float()

    assert guesses(Oracle(), rows, tokenizer) == 1


def test_the_mask_is_one_new_token(text):
    hub = text[1].to_transformers()
    hub.add_special_tokens({"mask_token": MASK})
    assert hub.mask_token_id == text[1].vocab_size == len(hub) - 1
