"""Small models of equal training FLOPs with vocabularies of several sizes, in bits a byte."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.data.mixing.packing import batch, chunks, pack
from course_lib.data.tokenization.tokenizer import Tokenizer
from course_lib.pretraining.loop.train import TrainConfig, train
from course_lib.pretraining.loop.validation import validation_loss


@dataclass(frozen=True, kw_only=True)
class VocabularyConfig:
    """One model's shape and the budget. FLOPs of a token: 6 x (weights without the embedding
    table + vocabulary x d_model), since the tied table is multiplied once, at the output.
    """

    flops: float = 5e10
    d_model: int = 64
    n_layers: int = 2
    seq_len: int = 96
    rows: int = 8
    lr: float = 6e-3


def compare_vocabularies(
    tokenizers: Sequence[Tokenizer],
    train_texts: Sequence[str],
    test_texts: Sequence[str],
    config: VocabularyConfig,
    seed: int = 0,
) -> list[dict[str, float]]:
    """For each tokenizer, a model trained for `config.flops`: bits a byte on other texts."""
    return [one_vocabulary(tok, train_texts, test_texts, config, seed) for tok in tokenizers]


def one_vocabulary(
    tok: Tokenizer,
    train_texts: Sequence[str],
    test_texts: Sequence[str],
    config: VocabularyConfig,
    seed: int,
) -> dict[str, float]:
    shape = ModelConfig(
        vocab_size=tok.vocab_size,
        d_model=config.d_model,
        n_layers=config.n_layers,
        n_heads=2,
        n_kv_heads=1,
        d_ff=176,
        max_seq=config.seq_len,
    )
    model = Decoder(shape, generator=torch.Generator().manual_seed(seed))
    table = tok.vocab_size * config.d_model
    body = sum(weight.numel() for weight in model.parameters()) - table
    steps = max(1, round(config.flops / (6 * (body + table) * config.rows * config.seq_len)))
    rows = _rows(tok, train_texts, config.seq_len)
    train(
        model,
        lambda step: batch(rows, step, config.rows, seed),
        TrainConfig(steps=steps, batch_size=config.rows, lr=config.lr),
        eos_id=tok.eos_id,
    )
    size = sum(len(text.encode()) for text in test_texts)
    loss = validation_loss(model, _rows(tok, test_texts, config.seq_len), tok.eos_id)
    tokens = steps * config.rows * config.seq_len
    test_tokens = sum(map(len, tok.encode_batch(test_texts)))
    return {
        "vocabulary": tok.vocab_size,
        "bytes a token": size / test_tokens,
        "tokens read": tokens,
        "bytes read": tokens * size / test_tokens,
        "share of weights in the table": table / (body + table),
        "bits a byte": loss.bits_per_byte(size),
    }


def _rows(tok: Tokenizer, texts: Sequence[str], seq_len: int):
    """The texts as rows; one that is too long is cut."""
    pieces = [piece for ids in tok.encode_batch(texts) for piece in chunks(ids, seq_len - 1)]
    return pack(pieces, seq_len, tok.eos_id)
