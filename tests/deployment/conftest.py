"""A random decoder and a tokenizer that make every test of this chapter quick."""

import pytest
import torch

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.data.tokenization.tokenizer import train_bpe

TEXTS = ["Baben lives in Oakby. Question: Where does Baben live?\nAnswer: Oakby.\n"] * 3


@pytest.fixture(scope="session")
def tokenizer():
    return train_bpe(TEXTS, 290)


@pytest.fixture(scope="session")
def model(tokenizer):
    """Untied and with large weights: a tied random model repeats its last token for ever."""
    config = ModelConfig(
        vocab_size=tokenizer.vocab_size,
        d_model=32,
        n_layers=2,
        n_heads=2,
        n_kv_heads=1,
        d_ff=48,
        max_seq=128,
        tied=False,
    )
    model = Decoder(config, generator=torch.Generator().manual_seed(1)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4) if weight.ndim == 2 else None
        model.head.weight[:4] = 0.0  # hardly ever an end token
    return model
