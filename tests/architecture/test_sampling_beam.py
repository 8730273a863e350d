"""Beam search on a model small enough to try every text."""

import itertools

import pytest
import torch

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.sampling.beam import beam_search
from course_lib.architecture.sampling.generate import generate
from tests.architecture.test_decoder import lively

SIX = ModelConfig(
    vocab_size=6, d_model=16, n_layers=1, n_heads=2, n_kv_heads=1, d_ff=24, max_seq=16
)
PROMPT, STOP, LIMIT = [2, 4], 0, 4


def every_text() -> list[tuple[int, ...]]:
    """All that can be written: up to the first stop token, or LIMIT tokens without one."""
    words = range(1, SIX.vocab_size)
    ended = [(*w, STOP) for n in range(LIMIT) for w in itertools.product(words, repeat=n)]
    return ended + list(itertools.product(words, repeat=LIMIT))


@torch.no_grad()
def log_p(model: Decoder, text: tuple[int, ...]) -> float:
    logits = model(torch.tensor([[*PROMPT, *text]]))[0, len(PROMPT) - 1 : -1]
    return logits.log_softmax(-1).gather(1, torch.tensor(text).unsqueeze(1)).sum().item()


def search(model, **change):
    request = {"n_beams": 3, "max_new_tokens": LIMIT, "stop_ids": (STOP,), "length_penalty": 0.0}
    return beam_search(model, PROMPT, **{**request, **change})


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_a_search_as_wide_as_the_vocabulary_allows_finds_the_best(length_penalty):
    """Three beams of six words, one layer: wide enough here, checked against all 781 texts."""
    model = lively(SIX)
    scored = {text: log_p(model, text) for text in every_text()}
    assert abs(sum(torch.tensor(list(scored.values())).exp()) - 1) < 1e-4  # nothing was left out
    best = max(scored, key=lambda text: scored[text] / len(text) ** length_penalty)
    found = search(model, length_penalty=length_penalty, early_stopping="never")
    assert found[0].tokens == best
    for hypothesis in found:
        assert abs(hypothesis.log_p - scored[hypothesis.tokens]) < 1e-5
        length = len(hypothesis.tokens)
        assert abs(hypothesis.score - hypothesis.log_p / length**length_penalty) < 1e-6


def test_results_are_ordered_different_and_finished():
    found = search(lively(SIX))
    scores = [h.score for h in found]
    assert scores == sorted(scores, reverse=True)
    assert len({h.tokens for h in found}) == 3
    assert all(h.tokens[-1] == STOP or len(h.tokens) == LIMIT for h in found)


def test_one_beam_is_greedy():
    model = lively(SIX)
    greedy = generate(model, [PROMPT], max_new_tokens=LIMIT, stop_ids=(STOP,))
    found = search(model, n_beams=1, early_stopping=True)
    assert list(found[0].tokens) == greedy[0]


def test_a_larger_penalty_gives_no_shorter_text():
    model = lively(SIX)
    lengths = [
        len(search(model, length_penalty=a, early_stopping="never")[0].tokens) for a in (0, 1, 3)
    ]
    assert lengths == sorted(lengths) and lengths[0] < lengths[-1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_beams": 0}, "n_beams is 0, expected 1 to 3"),
        ({"n_beams": 4}, "n_beams is 4, expected 1 to 3 with this vocabulary"),
        ({"length_penalty": float("nan")}, "length_penalty is nan, expected a finite number"),
        ({"early_stopping": "always"}, "early_stopping is 'always', expected True, False"),
        ({"max_new_tokens": 99}, "max_new_tokens is 99, expected 1 to 14"),
    ],
)
def test_bad_requests_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        search(lively(SIX), **change)
