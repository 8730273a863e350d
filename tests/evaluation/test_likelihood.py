"""Likelihoods: against the plain sum over positions, and against a world where they are known."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.sampling.generate import generate
from course_lib.data.tokenization.tokenizer import train_bpe
from course_lib.evaluation.likelihood import (
    NORMALISATIONS,
    Choice,
    choose,
    compression,
    score_pairs,
    split_pair,
    windows,
)

TEXTS = [
    "Baben lives in Oakby. He works as a baker.",
    "Question: Where does Baben live?\nAnswer: Oakby.",
    "Daben has 12 nuts. Baben brings 3 more.",
]


@pytest.fixture(scope="module")
def tokenizer():
    return train_bpe(TEXTS, 300)


@pytest.fixture(scope="module")
def model(tokenizer):
    config = ModelConfig(
        vocab_size=tokenizer.vocab_size,
        d_model=32,
        n_layers=2,
        n_heads=2,
        n_kv_heads=1,
        d_ff=48,
        max_seq=64,
    )
    model = Decoder(config, generator=torch.Generator().manual_seed(0)).eval()
    with torch.no_grad():  # far from uniform, so that a wrong shift would show
        model.embed.weight.mul_(20)
    return model


@torch.no_grad()
def plain(model, context, continuation):
    """One pair, one position at a time."""
    total = 0.0
    for i, token in enumerate(continuation):
        seen = [*context, *continuation[:i]][-model.config.max_seq :]
        total += float(F.log_softmax(model(torch.tensor([seen]))[0, -1], -1)[token])
    return total


def test_scores_equal_the_plain_sum_whatever_the_batch(model, tokenizer):
    rows = [[tokenizer.eos_id, *tokenizer.encode(text)] for text in TEXTS]
    pairs = [(row[:cut], row[cut:]) for row in rows for cut in (1, len(row) // 2, len(row) - 1)]
    for pair, scored in zip(pairs, score_pairs(model, pairs), strict=True):
        assert scored.tokens == len(pair[1])
        assert scored.logprob == pytest.approx(plain(model, *pair), abs=1e-4)


def test_greedy_flag_is_true_for_what_greedy_decoding_writes(model):
    context = [0, 70, 80]
    ids = list(context)
    for _ in range(4):
        ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
    good, bad = score_pairs(model, [(context, ids[3:]), (context, [*ids[3:6], 5 + ids[6] % 9])])
    assert good.greedy
    assert not bad.greedy


def test_right_tokens_are_counted_and_all_right_is_what_greedy_decoding_writes(model):
    """Every second answer is spoilt in its last token: the ones before it stay right."""
    random = torch.Generator().manual_seed(0)
    prompts = [torch.randint(4, 90, (3 + i % 4,), generator=random).tolist() for i in range(12)]
    written = generate(model, prompts, max_new_tokens=4)
    spoilt = [[*w[:-1], 4 + (w[-1] + 1) % 80] if i % 2 else w for i, w in enumerate(written)]
    scored = score_pairs(model, list(zip(prompts, spoilt, strict=True)))
    assert [one.greedy for one in scored] == [i % 2 == 0 for i in range(12)]
    assert [one.right for one in scored] == [4 - i % 2 for i in range(12)]


def test_long_context_loses_its_oldest_tokens(model):
    long = list(range(4, 204))
    assert score_pairs(model, [(long, [7])])[0].logprob == pytest.approx(
        score_pairs(model, [(long[-64:], [7])])[0].logprob
    )


def test_empty_continuation_is_refused(model):
    with pytest.raises(ValueError, match=r"3 \+ 0 tokens"):
        score_pairs(model, [([1, 2, 3], [])])


@given(n=st.integers(1, 300), context=st.integers(1, 64), data=st.data())
def test_windows_score_each_prediction_once(n, context, data):
    stride = data.draw(st.integers(1, context))
    judged = []
    for start, end, first in windows(n, context, stride):
        assert 0 <= start <= first < end <= n
        assert end - start <= context
        assert first == 0 or first - start >= min(context - stride, first)
        judged += range(first, end)
    assert judged == list(range(n))


def test_compression_equals_the_whole_sum(model, tokenizer):
    result = compression(model, tokenizer, TEXTS)
    expected = 0.0
    for text in TEXTS:
        ids = tokenizer.encode(text)
        expected -= plain(model, [tokenizer.eos_id], [*ids, tokenizer.eos_id])
    assert result.nats == pytest.approx(expected, rel=1e-5)
    assert result.bits_per_byte == pytest.approx(expected / math.log(2) / sum(map(len, TEXTS)))


def test_uniform_model_costs_log2_vocabulary_a_token(model, tokenizer):
    flat = Decoder(model.config).eval()
    torch.nn.init.zeros_(flat.embed.weight)
    result = compression(flat, tokenizer, TEXTS, end=False)
    tokens = sum(map(len, tokenizer.encode_batch(TEXTS)))
    assert result.nats == pytest.approx(tokens * math.log(tokenizer.vocab_size), rel=1e-5)
    assert result.perplexity == pytest.approx(tokenizer.vocab_size, rel=1e-4)


def test_windows_change_the_loss_only_when_they_cut(model, tokenizer):
    whole = compression(model, tokenizer, TEXTS).nats
    assert compression(model, tokenizer, TEXTS, context=50, stride=1).nats == pytest.approx(whole)
    assert compression(model, tokenizer, TEXTS, context=4).nats != pytest.approx(whole, rel=1e-5)


def test_trailing_space_moves_into_the_continuation(tokenizer):
    assert split_pair(tokenizer, "Baben lives in ", "Oakby.") == split_pair(
        tokenizer, "Baben lives in", " Oakby."
    )


@pytest.mark.parametrize("normalise", NORMALISATIONS)
def test_choose_by_hand(model, tokenizer, normalise):
    choice = Choice("Answer:", (" Oakby.", " a long and unlikely answer.", " 3"), 0)
    pairs = [split_pair(tokenizer, choice.context, option) for option in choice.options]
    values = []
    for option, pair in zip(choice.options, pairs, strict=True):
        value = plain(model, *pair)
        if normalise == "per token":
            value /= len(pair[1])
        elif normalise == "per character":
            value /= len(option) - 1
        elif normalise == "against no context":
            value -= plain(model, [tokenizer.eos_id], pair[1])
        values.append(value)
    assert choose(model, tokenizer, [choice], normalise=normalise) == [values.index(max(values))]


def test_choose_names_the_rules(model, tokenizer):
    with pytest.raises(ValueError, match="per character"):
        choose(model, tokenizer, [], normalise="bytes")
