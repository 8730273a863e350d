"""The loop: equal to decoding without a cache, a batch equal to its rows one by one; draws."""

import pytest
import torch

from course_lib.architecture.decoder import ModelConfig
from course_lib.architecture.sampling.filters import GREEDY, Filters
from course_lib.architecture.sampling.generate import Constraint, complete, generate, stream
from course_lib.deployment.kv_cache import StaticCache, decode_naive
from tests.architecture.test_decoder import TINY, lively

PROMPTS = [[5], [7, 2, 9, 30], [1, 1, 4], [12, 3], [8, 8, 8, 8, 8, 8], [2, 20]]
STOPS = (3, 17, 25)


def naive(model, prompt: list[int], max_new_tokens: int, stop_ids: tuple[int, ...]) -> list[int]:
    """The definition: the whole text is read again for every token."""
    reply = []
    for token in decode_naive(model, prompt, max_new_tokens):
        reply.append(token)
        if token in stop_ids:
            break
    return reply


@pytest.mark.parametrize("drop_above", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("window", [None, 3])
def test_cache_batch_and_naive_agree(window, drop_above):
    model = lively(ModelConfig(**{**TINY.to_dict(), "sliding_window": window}))
    request = {"max_new_tokens": 20, "stop_ids": STOPS, "drop_above": drop_above}
    replies = generate(model, PROMPTS, **request)
    assert replies == [naive(model, prompt, 20, STOPS) for prompt in PROMPTS]
    assert replies == [generate(model, [prompt], **request)[0] for prompt in PROMPTS]
    assert len({len(reply) for reply in replies}) > 2  # rows finish at different times


def test_a_reply_ends_with_its_stop_id_or_at_the_limit():
    model = lively()
    for reply in generate(model, PROMPTS, max_new_tokens=12, stop_ids=STOPS):
        assert all(token not in STOPS for token in reply[:-1])
        assert len(reply) == 12 or reply[-1] in STOPS


def test_the_stream_gives_each_step_as_it_comes():
    model, request = lively(), {"max_new_tokens": 20, "stop_ids": STOPS}
    whole = generate(model, PROMPTS, **request)
    steps = list(stream(model, PROMPTS, **request))
    assert [len(step) for step in steps] == [sum(len(r) > n for r in whole) for n in range(20)][
        : max(map(len, whole))
    ]
    assert [dict(step)[4] for step in steps if 4 in dict(step)] == whole[4]


def test_a_cache_of_stated_size_gives_the_same_texts():
    model = lively()
    static = StaticCache.of(model.config, batch=len(PROMPTS), capacity=26)
    request = {"max_new_tokens": 20, "stop_ids": STOPS}
    replies: list[list[int]] = [[] for _ in PROMPTS]
    for step in stream(model, PROMPTS, cache=static, **request):
        for i, token in step:
            replies[i].append(token)
    assert replies == generate(model, PROMPTS, **request)
    assert static.store.shape[2] < len(PROMPTS)  # finished texts have left it
    with pytest.raises(ValueError, match="tokens, expected an empty one"):
        next(stream(model, PROMPTS, cache=static, **request))


@pytest.mark.parametrize("drop_above", [0.0, 0.5])
def test_draws_follow_the_seed_and_leave_model_and_random_state_alone(drop_above):
    model = lively()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    state = torch.get_rng_state()
    draws = [
        generate(
            model,
            PROMPTS,
            max_new_tokens=8,
            filters=Filters(),
            generator=torch.Generator().manual_seed(seed),
            drop_above=drop_above,
        )
        for seed in (5, 5, 6)
    ]
    assert draws[0] == draws[1] != draws[2]
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], w) for name, w in model.state_dict().items())


def test_the_penalty_makes_greedy_text_less_repetitive():
    model = lively()
    plain, punished = (
        generate(model, PROMPTS, max_new_tokens=20, filters=filters)
        for filters in (GREEDY, Filters(temperature=0, repetition_penalty=3.0))
    )
    assert sum(len(set(r)) for r in punished) > sum(len(set(r)) for r in plain)


def test_a_rows_penalty_does_not_see_its_neighbours_or_the_padding():
    model, filters = lively(), Filters(temperature=0, repetition_penalty=1.5)
    together = generate(model, PROMPTS, max_new_tokens=12, filters=filters)
    assert together == [
        generate(model, [one], max_new_tokens=12, filters=filters)[0] for one in PROMPTS
    ]


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
    replies = generate(
        lively(), PROMPTS, max_new_tokens=4, filters=Filters(), constraints=constraints
    )
    assert all(sorted(reply) == [1, 2, 3, 4] for reply in replies)
    assert constraints[0].asked == [4, 3, 2, 1]


def test_a_constraint_is_not_asked_after_its_text_has_ended():
    constraints = [OnlyThese({4}), OnlyThese({1, 2, 6}), OnlyThese({1, 2, 7})]
    replies = generate(
        lively(), PROMPTS[:3], max_new_tokens=3, stop_ids=(4,), constraints=constraints
    )
    assert replies[0] == [4] and constraints[0].asked == [3]
    assert sorted(replies[1]) == [1, 2, 6]


def test_completions_come_in_the_order_of_the_prompts():
    model = lively()
    replies = complete(model, PROMPTS, stop_ids=STOPS, max_new_tokens=8, batch_size=2)
    assert replies == [naive(model, prompt, 8, STOPS) for prompt in PROMPTS]
    assert len({tuple(reply) for reply in replies}) > 1
    assert complete(model, [], stop_ids=STOPS) == []


def test_a_completion_takes_what_room_there_is_and_refuses_where_there_is_none():
    model, size = lively(), TINY.max_seq
    (reply,) = complete(model, [[5] * (size - 3)], stop_ids=(), max_new_tokens=8)
    assert len(reply) == 3
    with pytest.raises(ValueError, match=f"{size} tokens: no room"):
        complete(model, [[5] * size], stop_ids=())


def test_bad_requests_are_named():
    model = lively()
    with pytest.raises(ValueError, match="prompts: 0 given"):
        generate(model, [], max_new_tokens=4)
    with pytest.raises(ValueError, match=r"of which \[1\] are empty"):
        generate(model, [[3], []], max_new_tokens=4)
    with pytest.raises(ValueError, match="max_new_tokens is 0, expected 1 to"):
        generate(model, PROMPTS, max_new_tokens=0)
    with pytest.raises(ValueError, match="1 constraints, expected one a prompt: 6"):
        generate(model, PROMPTS, max_new_tokens=4, constraints=[OnlyThese({1})])
