"""The small model that this chapter's comparisons of texts train: two layers, a minute or less."""

import torch

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.data.mixing.packing import Packed, batch
from course_lib.data.tokenization.tokenizer import Tokenizer
from course_lib.pretraining.loop.train import TrainConfig, train


def small_model(
    tokenizer: Tokenizer,
    seq_len: int,
    seed: int,
    *,
    d_model: int = 64,
    n_heads: int = 2,
    d_ff: int = 176,
) -> Decoder:
    """A fresh decoder of two layers."""
    shape = ModelConfig(
        vocab_size=tokenizer.vocab_size,
        d_model=d_model,
        n_layers=2,
        n_heads=n_heads,
        n_kv_heads=1,
        d_ff=d_ff,
        max_seq=seq_len,
    )
    return Decoder(shape, generator=torch.Generator().manual_seed(seed))


def fit(
    model: Decoder,
    rows: Packed,
    eos_id: int,
    *,
    steps: int,
    batch_size: int,
    lr: float,
    seed: int | None,
) -> None:
    """Train in place on the rows, shuffled by `seed`; in the order given where there is none."""
    train(
        model,
        lambda step: batch(rows, step, batch_size, seed),
        TrainConfig(steps=steps, batch_size=batch_size, lr=lr),
        eos_id=eos_id,
    )
