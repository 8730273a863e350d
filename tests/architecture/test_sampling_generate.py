"""Filters by hand, and generation: cached equals naive, a batch equals its rows one by one."""

import pytest
import torch

from course_lib.architecture.decoder import ModelConfig
from course_lib.architecture.sampling.generate import (
    filter_logits,
    generate,
    next_tokens,
    pad_left,
)
from tests.architecture.test_decoder import TINY, lively

PROMPTS = [[5], [7, 2, 9, 30], [1, 1, 4], [12, 3], [8, 8, 8, 8, 8, 8], [2, 20]]
LOG_P = torch.tensor([[0.4, 0.3, 0.2, 0.1]]).log()


def kept(**filters) -> list[int]:
    return filter_logits(LOG_P, **filters)[0].isfinite().nonzero().squeeze(1).tolist()


def test_filters_by_hand():
    assert kept(top_k=2) == [0, 1]
    assert kept(top_p=0.65) == [0, 1]  # 0.4 is not enough, 0.7 is
    assert kept(top_p=0.75) == [0, 1, 2]
    assert kept(top_p=0.01) == [0]
    assert kept(top_k=3, top_p=0.7) == [0, 1]  # of 9/9: 4/9, 3/9 reach 7/9
    assert kept(temperature=0.1, top_p=0.9) == [0]  # a cold softmax is nearly sure
    assert kept() == kept(top_k=9, top_p=1.0) == [0, 1, 2, 3]


def test_draws_follow_the_softmax_at_the_temperature():
    generator = torch.Generator().manual_seed(0)
    draws = next_tokens(LOG_P.expand(20_000, 4), temperature=0.5, generator=generator)
    want = torch.tensor([16.0, 9.0, 4.0, 1.0]) / 30  # p^(1/0.5), normalised
    got = draws.bincount(minlength=4) / len(draws)
    assert (got - want).abs().max() < 0.012  # 3.4 standard errors


@pytest.mark.parametrize("window", [None, 3])
def test_cache_batch_and_naive_agree(window):
    model = lively(ModelConfig(**{**TINY.to_dict(), "sliding_window": window}))
    request = {"max_new_tokens": 20, "stop_ids": (3, 17, 25)}
    replies = generate(model, PROMPTS, **request)
    assert replies == generate(model, PROMPTS, **request, use_cache=False)
    assert replies == [generate(model, [prompt], **request)[0] for prompt in PROMPTS]
    assert len({len(reply) for reply in replies}) > 2  # rows finish at different times


def test_a_reply_ends_with_its_stop_id_or_at_the_limit():
    model = lively()
    for reply in generate(model, PROMPTS, max_new_tokens=12, stop_ids=(3, 17, 25)):
        assert all(token not in (3, 17, 25) for token in reply[:-1])
        assert len(reply) == 12 or reply[-1] in (3, 17, 25)


def test_generation_leaves_the_model_and_the_random_state_alone():
    model = lively()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    state = torch.get_rng_state()
    draws = [
        generate(
            model,
            PROMPTS,
            max_new_tokens=8,
            temperature=1.0,
            generator=torch.Generator().manual_seed(seed),
        )
        for seed in (5, 5, 6)
    ]
    assert draws[0] == draws[1] != draws[2]
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], w) for name, w in model.state_dict().items())


def test_pad_left_by_hand():
    tokens, real = pad_left([[4], [5, 6, 7]])
    assert tokens.tolist() == [[0, 0, 4], [5, 6, 7]]
    assert real.int().tolist() == [[0, 0, 1], [1, 1, 1]]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"top_p": 1.3}, "top_p is 1.3, expected more than 0, up to 1"),
        ({"top_p": 0.0}, "top_p is 0.0, expected more than 0"),
        ({"top_k": 0}, "top_k is 0, expected a whole number from 1"),
        ({"temperature": -1.0}, "temperature is -1.0, expected 0"),
        ({"temperature": float("nan")}, "temperature is nan"),
    ],
)
def test_generate_refuses_what_no_choice_can_have(wrong, said):
    with pytest.raises(ValueError, match=said):
        generate(lively(TINY), [[1, 2]], max_new_tokens=2, **wrong)
