"""Small models of equal training FLOPs with vocabularies of several sizes, in bits a byte."""

from collections.abc import Sequence
from dataclasses import dataclass

from course_lib.data.mixing.packing import pack_texts
from course_lib.data.tokenization.tokenizer import Tokenizer
from course_lib.pretraining.loop.validation import validation_loss
from course_lib.studies.data.small_run import fit, small_model


@dataclass(frozen=True, kw_only=True)
class VocabularyConfig:
    """One model's shape and the budget. FLOPs of a token: 6 x (weights without the embedding
    table + vocabulary x d_model), since the tied table is multiplied once, at the output.
    """

    flops: float = 5e10
    d_model: int = 64
    seq_len: int = 96
    batch_size: int = 8
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
    model = small_model(tok, config.seq_len, seed, d_model=config.d_model)
    table = tok.vocab_size * config.d_model
    body = sum(weight.numel() for weight in model.parameters()) - table
    steps = max(1, round(config.flops / (6 * (body + table) * config.batch_size * config.seq_len)))
    fit(
        model,
        pack_texts(train_texts, tok, config.seq_len),
        tok.eos_id,
        steps=steps,
        batch_size=config.batch_size,
        lr=config.lr,
        seed=seed,
    )
    size = sum(len(text.encode()) for text in test_texts)
    loss = validation_loss(model, pack_texts(test_texts, tok, config.seq_len), tok.eos_id)
    tokens = steps * config.batch_size * config.seq_len
    test_tokens = sum(map(len, tok.encode_batch(test_texts)))
    return {
        "vocabulary": tok.vocab_size,
        "bytes a token": size / test_tokens,
        "tokens read": tokens,
        "bytes read": tokens * size / test_tokens,
        "share of weights in the table": table / (body + table),
        "bits a byte": loss.bits_per_byte(size),
    }
