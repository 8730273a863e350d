"""Numbers and shapes that can't be: each is refused by name, none ends in NaN or a traceback."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.architecture.attention.dot_product import plain_attention
from course_lib.architecture.attention.masks import causal_mask
from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.sampling.filters import Filters, filter_logits
from course_lib.architecture.sampling.generate import complete
from course_lib.data.tokenization.tokenizer import train_bpe
from course_lib.deployment.quantize import quantize_rows, quantize_tensor
from course_lib.evaluation.harness import generation
from course_lib.evaluation.likelihood import Choice, choose, split_pair
from course_lib.evaluation.stats import paired_bootstrap

CONFIG = ModelConfig(
    vocab_size=300, d_model=16, n_layers=1, n_heads=2, n_kv_heads=1, d_ff=16, max_seq=8
)


@pytest.fixture(scope="module")
def model() -> Decoder:
    return Decoder(CONFIG, torch.Generator().manual_seed(0)).eval()


@given(st.floats(1e-320, 1e-3), st.integers(0, 100))
def test_a_temperature_near_0_is_its_limit(temperature, seed):
    logits = 30 * torch.randn(2, 9, generator=torch.Generator().manual_seed(seed))
    chosen = Filters(temperature=temperature, top_k=5, top_p=0.9).choose(logits)
    best = logits.topk(2).values
    sure = best[:, 0] - best[:, 1] > 100 * temperature
    assert torch.equal(chosen[sure], logits.argmax(-1)[sure])


@pytest.mark.parametrize("heat", [0, -1, math.nan, math.inf])
def test_temperatures_that_are_none(heat):
    with pytest.raises(ValueError, match="temperature is"):
        filter_logits(torch.zeros(1, 3), heat)


@pytest.mark.parametrize(
    "bad", [{"top_k": 0}, {"top_k": -1}, {"top_p": 0.0}, {"top_p": -0.1}, {"top_p": math.nan}]
)
def test_filters_that_would_leave_nothing(bad):
    for call in (lambda: filter_logits(torch.zeros(1, 3), **bad), lambda: Filters(**bad)):
        with pytest.raises(ValueError, match="top_. is"):
            call()


@pytest.mark.parametrize("shape", [(1, 1, 3, 4), (1, 2, 4, 4), (2, 2, 3, 4)])
def test_values_must_fit_their_keys(shape):
    q, k = torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 3, 4)
    with pytest.raises((ValueError, TypeError), match="v"):
        plain_attention(q, k, torch.zeros(shape))


def test_a_window_of_nothing():
    with pytest.raises(ValueError, match="window is 0"):
        causal_mask(3, window=0)


@pytest.mark.parametrize("token", [-1, -100, 300])
def test_tokens_outside_the_vocabulary(model, token):
    with pytest.raises(ValueError, match=r"tokens go from .* expected 0 to 299"):
        model(torch.tensor([[0, token]]))


@pytest.mark.parametrize("place", [-1, 8])
@pytest.mark.parametrize("position", ["rope", "learned", "sinusoidal"])
def test_positions_outside_the_model(place, position):
    import dataclasses

    model = Decoder(dataclasses.replace(CONFIG, position=position))
    with pytest.raises(ValueError, match=r"positions go from .* expected 0 to 7"):
        model(torch.tensor([[1, 2]]), positions=torch.tensor([[0, place]]))


@pytest.mark.parametrize("quantize", [quantize_rows, quantize_tensor])
def test_matrices_that_hold_no_numbers(quantize):
    with pytest.raises(ValueError, match="expected rows and columns"):
        quantize(torch.zeros(0, 3))
    with pytest.raises(ValueError, match="NaN or infinity"):
        quantize(torch.tensor([[1.0, math.nan]]))


def test_a_reply_is_not_cut_for_anothers_prompt(model):
    short, long = [1, 2], [1, 2, 3, 4, 5, 6]
    together = complete(model, [long, short], stop_ids=(), max_new_tokens=6)
    assert [len(reply) for reply in together] == [2, 6]
    assert together[1] == complete(model, [short], stop_ids=(), max_new_tokens=6)[0]


def test_options_of_a_task_are_kept_or_refused():
    limit, filters = generation({"until": ["\n"], "max_gen_toks": 3, "do_sample": False})
    assert limit == 3 and filters.greedy
    assert generation({"temperature": 0.0})[1].greedy
    assert generation({"do_sample": False, "temperature": 0.7})[1].greedy
    drawn = generation({"do_sample": True, "temperature": 0.7, "top_p": 0.9})[1]
    assert (drawn.temperature, drawn.top_p) == (0.7, 0.9)
    assert generation({"temperature": 0.7})[1].temperature == 0.7
    assert generation({"max_new_tokens": 5})[0] == 5
    assert generation({"repetition_penalty": 1.5})[1].repetition_penalty == 1.5
    for bad, name in (({"num_beams": 4}, "num_beams"), ({"max_gen_toks": 0}, "max_gen_toks is 0")):
        with pytest.raises(ValueError, match=name):
            generation(bad)


def test_a_token_that_crosses_the_join_is_refused():
    tokenizer = train_bpe(["the village of Oakby"] * 50, 300)
    assert len(tokenizer.encode(" village")) == 1
    context, rest = split_pair(tokenizer, "the ", "village of Oakby")
    assert tokenizer.decode(context) == "the" and tokenizer.decode(rest) == " village of Oakby"
    for before, after in (("the v", "illage of Oakby"), ("the villag", "e")):
        with pytest.raises(ValueError, match="a token crosses the join"):
            split_pair(tokenizer, before, after)


@pytest.mark.parametrize("options", [(), ("",), ("a", " ")])
def test_options_that_say_nothing(model, options):
    tokenizer = train_bpe(["the village of Oakby"], 270)
    with pytest.raises(ValueError, match="options are"):
        choose(model, tokenizer, [Choice("the", options, 0)], normalise="per character")


def test_no_resamples():
    with pytest.raises(ValueError, match="resamples must be at least 1"):
        paired_bootstrap([1, 0], [1, 1], resamples=0)
