"""GRPO's pieces by hand, its gradient against the plain policy gradient, and a run that learns."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.alignment.grpo import (
    GrpoConfig,
    group_advantages,
    grpo,
    grpo_loss,
    kl_to_reference,
)
from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.data.tokenization.tokenizer import train_bpe
from course_lib.world import World, WorldConfig


def test_advantages_by_hand():
    advantages = group_advantages(torch.tensor([[1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0]]))
    # mean 0.5, standard deviation with n - 1: sqrt(4 · 0.25 / 3) = 0.577
    assert advantages[0].tolist() == pytest.approx([0.8659, -0.8659, -0.8659, 0.8659], abs=1e-3)
    assert advantages[1].tolist() == [0.0] * 4


@given(st.floats(-10, 10, width=32), st.integers(2, 64))
def test_equal_rewards_have_no_advantage_whatever_they_are(reward, samples):
    assert group_advantages(torch.full((1, samples), reward)).tolist() == [[0.0] * samples]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 200.0])
def test_what_is_not_counted_may_be_anything(bad):
    """A padded place whose log-probabilities are far apart, or none, must not reach the loss."""
    logprobs, counted = torch.full((2, 3), -1.0), torch.ones(2, 3)
    logprobs[1, 2], counted[1, 2] = bad, 0.0
    sizes = dict(beta=0.1, clip_ratio=0.2)
    zeros, advantages = torch.full((2, 3), -1.0), torch.tensor([1.0, -1.0])
    loss = grpo_loss(logprobs, zeros, zeros, advantages, counted, **sizes)
    clean = grpo_loss(zeros, zeros, zeros, advantages, counted, **sizes)
    assert loss.item() == clean.item()


@given(st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4))
def test_advantages_of_a_group_add_up_to_nothing(rewards):
    assert group_advantages(torch.tensor([rewards])).sum().item() == pytest.approx(0, abs=1e-3)


def test_kl_is_zero_only_where_both_agree():
    found = kl_to_reference(torch.tensor([[-1.0, -2.0]]), torch.tensor([[-1.0, -1.0]]))
    assert found[0].tolist() == pytest.approx([0.0, 2.71828 - 1 - 1], abs=1e-4)


def test_first_step_is_the_plain_policy_gradient():
    generator = torch.Generator().manual_seed(0)
    logprobs = (-torch.rand(3, 4, generator=generator)).requires_grad_()
    advantages = torch.tensor([1.0, -0.5, 0.25])
    counted = torch.tensor([[1.0, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]])
    settings = dict(beta=0.0, clip_ratio=0.2)
    start = logprobs.detach()
    grpo_loss(logprobs, start, start, advantages, counted, **settings).backward()
    expected = -advantages[:, None] * counted / counted.sum()
    assert torch.allclose(logprobs.grad, expected)


def test_clip_stops_the_gain_but_not_the_loss():
    old = torch.zeros(2, 1)
    logprobs = torch.full((2, 1), 1.0, requires_grad=True)  # ratio e, far above 1.2
    advantages = torch.tensor([1.0, -1.0])
    loss = grpo_loss(logprobs, old, old, advantages, torch.ones(2, 1), beta=0.0, clip_ratio=0.2)
    loss.backward()
    assert logprobs.grad[0].item() == 0.0
    assert logprobs.grad[1].item() == pytest.approx(2.71828 / 2, abs=1e-4)


def test_a_run_raises_a_reward_that_is_easy_to_raise():
    """Reward: the share of `e` in the reply. From random weights it must go up."""
    world = World(WorldConfig(seed=0))
    tokenizer = train_bpe(["a b c d e. " * 50], vocab_size=264)
    sizes = dict(d_model=32, n_layers=1, n_heads=2, n_kv_heads=1, d_ff=32, max_seq=512)
    config = ModelConfig(vocab_size=tokenizer.vocab_size, **sizes)
    model = Decoder(config, torch.Generator().manual_seed(0))
    questions = world.questions("train", 4, 0, kinds=("sum",))
    logs = grpo(
        model,
        tokenizer,
        lambda step: questions,
        lambda question, reply: reply.count("e") / 8,
        GrpoConfig(steps=30, questions=4, samples=8, max_new_tokens=8, beta=0.0, lr=1e-2),
    )
    early = sum(log.reward for log in logs[:5])
    late = sum(log.reward for log in logs[-5:])
    assert late > early + 0.5
    assert logs[0].kl == pytest.approx(0.0, abs=1e-6)
    assert logs[-1].kl > 0.0


def test_errors_name_the_value():
    with pytest.raises(ValueError, match="samples 1"):
        GrpoConfig(samples=1)
    with pytest.raises(ValueError, match="beta -1"):
        GrpoConfig(beta=-1.0)
