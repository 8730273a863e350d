"""The general loop against `generate` and against itself; constraints; what it refuses."""

import pytest
import torch

from course_lib.architecture.decoder import ModelConfig
from course_lib.architecture.sampling.decoding import Constraint, decode
from course_lib.architecture.sampling.filters import Filters
from course_lib.architecture.sampling.generate import generate
from tests.architecture.test_decoder import TINY, lively
from tests.architecture.test_sampling_generate import PROMPTS


@pytest.mark.parametrize("window", [None, 3])
def test_greedy_equals_generate(window):
    model = lively(ModelConfig(**{**TINY.to_dict(), "sliding_window": window}))
    request = {"max_new_tokens": 20, "stop_ids": (3, 17, 25)}
    greedy = Filters(temperature=0)
    replies = decode(model, PROMPTS, filters=greedy, **request)
    assert replies == generate(model, PROMPTS, **request)
    assert replies == [decode(model, [one], filters=greedy, **request)[0] for one in PROMPTS]
    assert len({len(reply) for reply in replies}) > 2


def test_the_penalty_makes_greedy_text_less_repetitive():
    model = lively()
    plain, punished = (
        decode(model, PROMPTS, max_new_tokens=20, filters=filters)
        for filters in (Filters(temperature=0), Filters(temperature=0, repetition_penalty=3.0))
    )
    assert sum(len(set(r)) for r in punished) > sum(len(set(r)) for r in plain)


def test_a_rows_penalty_does_not_see_its_neighbours_or_the_padding():
    model, filters = lively(), Filters(temperature=0, repetition_penalty=1.5)
    together = decode(model, PROMPTS, max_new_tokens=12, filters=filters)
    assert together == [
        decode(model, [one], max_new_tokens=12, filters=filters)[0] for one in PROMPTS
    ]


def test_draws_follow_the_seed_alone():
    model, state = lively(), torch.get_rng_state()
    draws = [
        decode(model, PROMPTS, max_new_tokens=8, generator=torch.Generator().manual_seed(seed))
        for seed in (5, 5, 6)
    ]
    assert draws[0] == draws[1] != draws[2]
    assert torch.equal(state, torch.get_rng_state())


class OnlyThese:
    """Tokens of a set, each at most once."""

    def __init__(self, tokens: set[int]) -> None:
        self.left, self.asked = set(tokens), []

    def allowed(self, tokens_left: int) -> torch.Tensor:
        self.asked.append(tokens_left)
        mask = torch.zeros(TINY.vocab_size, dtype=torch.bool)
        mask[list(self.left)] = True
        return mask

    def advance(self, token: int) -> None:
        self.left.remove(token)


def test_a_constraint_masks_and_hears_what_was_chosen():
    constraints = [OnlyThese({1, 2, 3, 4}) for _ in PROMPTS]
    assert isinstance(constraints[0], Constraint)
    replies = decode(lively(), PROMPTS, max_new_tokens=4, constraints=constraints)
    assert all(sorted(reply) == [1, 2, 3, 4] for reply in replies)
    assert constraints[0].asked == [4, 3, 2, 1]


def test_bad_requests_are_named():
    model = lively()
    with pytest.raises(ValueError, match="prompts: 0 given"):
        decode(model, [], max_new_tokens=4)
    with pytest.raises(ValueError, match=r"of which \[1\] are empty"):
        decode(model, [[3], []], max_new_tokens=4)
    with pytest.raises(ValueError, match="max_new_tokens is 0, expected 1 to"):
        decode(model, PROMPTS, max_new_tokens=0)
    with pytest.raises(ValueError, match="1 constraints, expected one a prompt: 6"):
        decode(model, PROMPTS, max_new_tokens=4, constraints=[OnlyThese({1})])
