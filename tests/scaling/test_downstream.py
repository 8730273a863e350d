"""Answers read once: by hand, against plain greedy decoding, and the metrics from them."""

import math

import pytest
import torch

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.sampling.generate import generate
from course_lib.scaling.downstream import Answered, answered, metrics, read_answers


def small_model() -> Decoder:
    config = ModelConfig(
        vocab_size=12, d_model=16, n_layers=2, n_heads=2, n_kv_heads=1, d_ff=24, max_seq=32
    )
    return Decoder(config, generator=torch.Generator().manual_seed(3))


def test_by_hand():
    half, sure = math.log(0.5), math.log(0.25)
    logits = torch.tensor([[9.0, 9.0], [half, half], [math.log(0.75), sure], [7.0, 7.0]])
    one = answered(logits, torch.tensor([1, 0]), first=2)  # read off rows 1 and 2
    assert one.logprob == pytest.approx(math.log(0.5) + math.log(0.75), abs=1e-5)
    assert (one.tokens, one.right, one.exact) == (2, 1, False)
    other = answered(logits, torch.tensor([0, 1]), first=2)
    assert other.logprob == pytest.approx(math.log(0.5) + math.log(0.25), abs=1e-5)
    assert (other.right, other.exact) == (1, False)
    assert answered(logits, torch.tensor([0, 0]), first=2).exact


def test_exact_is_what_greedy_decoding_writes():
    model, random = small_model(), torch.Generator().manual_seed(0)
    prompts = [torch.randint(0, 12, (3 + i % 4,), generator=random).tolist() for i in range(12)]
    written = generate(model, prompts, max_new_tokens=4)
    spoilt = [[*w[:-1], (w[-1] + 1) % 12] if i % 2 else w for i, w in enumerate(written)]
    read = read_answers(model, list(zip(prompts, spoilt, strict=True)), rows=5)
    assert [one.exact for one in read] == [i % 2 == 0 for i in range(12)]
    assert all(one.right == 4 - i % 2 for i, one in enumerate(read))


def test_padding_and_order_change_nothing():
    model = small_model()
    pairs = [([1, 2, 3], [4, 5]), ([1], [2, 3, 4, 5, 6]), ([7, 8, 9, 10], [11])]
    together = read_answers(model, pairs)
    alone = [read_answers(model, [pair])[0] for pair in pairs]
    assert [a.logprob for a in together] == pytest.approx([a.logprob for a in alone], abs=1e-5)
    assert [a.tokens for a in together] == [2, 5, 1]


def test_metrics_by_hand():
    found = metrics(
        [
            Answered(logprob=-2.0, tokens=2, right=2),
            Answered(logprob=-4.0, tokens=4, right=1),
        ]
    )
    assert found["nats_a_token"] == pytest.approx(1.0)
    assert found["token_accuracy"] == pytest.approx(0.5) and found["exact"] == 0.5
    assert found["independent"] == pytest.approx((0.25 + 0.0625) / 2)
    assert found["tokens_an_answer"] == 3.0


def test_refusals():
    logits = torch.zeros(3, 4)
    for answer, first in (([1, 2, 3], 2), ([1], 0), ([], 1)):
        with pytest.raises(ValueError, match="in a row of 3 logits"):
            answered(logits, torch.tensor(answer, dtype=torch.long), first)
    with pytest.raises(ValueError, match="no answers"):
        metrics([])
