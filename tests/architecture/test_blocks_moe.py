"""The mixture of experts: routing worked by hand, capacity, losses, and what each token costs."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.architecture.blocks.moe import (
    MoE,
    expert_capacity,
    expert_load,
    load_balance_loss,
    route,
    router_z_loss,
    within_capacity,
)
from course_lib.architecture.ops import swiglu

LOGITS = torch.tensor([[0.0, math.log(2), math.log(5)], [math.log(3), 0.0, 0.0]])


def test_routing_by_hand():
    routing = route(LOGITS, 2)
    torch.testing.assert_close(
        routing.probabilities, torch.tensor([[1 / 8, 2 / 8, 5 / 8], [3 / 5, 1 / 5, 1 / 5]])
    )
    assert routing.experts[0].tolist() == [2, 1] and routing.experts[1, 0] == 0
    torch.testing.assert_close(routing.weights, torch.tensor([[5 / 7, 2 / 7], [3 / 4, 1 / 4]]))
    assert routing.kept.all()
    plain = route(LOGITS, 2, normalise=False)
    torch.testing.assert_close(plain.weights[0], torch.tensor([5 / 8, 2 / 8]))


def test_weights_are_the_softmax_of_the_chosen_logits():
    logits = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    routing = route(logits, 3)
    chosen = logits.gather(1, routing.experts).softmax(-1)
    torch.testing.assert_close(routing.weights, chosen)


def test_losses_by_hand():
    routing = route(LOGITS, 1)
    # one token each to experts 2 and 0; mean probabilities 29/80 and 33/80
    want = 3 * (0.5 * (1 / 8 + 3 / 5) / 2 + 0.5 * (5 / 8 + 1 / 5) / 2)
    torch.testing.assert_close(load_balance_loss(routing), torch.tensor(want))
    z = (math.log(8) ** 2 + math.log(5) ** 2) / 2
    torch.testing.assert_close(router_z_loss(routing), torch.tensor(z))
    torch.testing.assert_close(expert_load(routing), torch.tensor([0.5, 0.0, 0.5]))


@pytest.mark.parametrize("top_k", [1, 2, 4])
def test_balance_loss_is_top_k_when_even_and_grows_with_collapse(top_k):
    even = torch.eye(4).repeat(3, 1) + torch.eye(4).roll(1, 0).repeat(3, 1) * 0.5
    even = even + torch.eye(4).roll(2, 0).repeat(3, 1) * 0.25
    torch.testing.assert_close(load_balance_loss(route(even, top_k)), torch.tensor(float(top_k)))
    collapsed = torch.tensor([[40.0, 20.0, 0.0, -9.0]]).repeat(12, 1)
    loss = load_balance_loss(route(collapsed, top_k))
    torch.testing.assert_close(loss, torch.tensor(4.0))


def test_balance_loss_pushes_the_busy_expert_down():
    logits = torch.randn(64, 4, generator=torch.Generator().manual_seed(0)) * 0.1
    logits[:, 2] += 1.0
    logits.requires_grad_()
    load_balance_loss(route(logits, 1)).backward()
    assert logits.grad[:, 2].mean() > 1e-4, "descent lowers the logit of the busy expert"
    assert (logits.grad.mean(0)[[0, 1, 3]] < 0).all()


def test_z_loss_gradient_shrinks_large_logits():
    logits = torch.tensor([[6.0, 1.0, 0.0]], requires_grad=True)
    router_z_loss(route(logits, 1)).backward()
    assert logits.grad[0, 0] > 5


def test_capacity_by_hand():
    experts = torch.tensor([[0, 1], [0, 1], [1, 0], [0, 2]])
    # queue of expert 0: tokens 0, 1, 3 (first choices), then 2; of expert 1: 2, then 0, 1
    want = [[True, True], [True, False], [True, False], [False, True]]
    assert within_capacity(experts, 3, 2).tolist() == want
    assert within_capacity(experts, 3, 4).all() and not within_capacity(experts, 3, 0).any()
    assert expert_capacity(tokens=10, n_experts=4, top_k=2, factor=1.25) == 7


@given(
    tokens=st.integers(1, 40),
    n_experts=st.integers(1, 8),
    capacity=st.integers(0, 12),
    seed=st.integers(0, 99),
    data=st.data(),
)
@settings(max_examples=40, deadline=None)
def test_no_expert_passes_its_capacity_and_none_drops_below_it(
    tokens, n_experts, capacity, seed, data
):
    top_k = data.draw(st.integers(1, n_experts))
    logits = torch.randn(tokens, n_experts, generator=torch.Generator().manual_seed(seed))
    routing = route(logits, top_k, capacity=capacity)
    wanted = torch.bincount(routing.experts.flatten(), minlength=n_experts)
    got = torch.bincount(routing.experts[routing.kept], minlength=n_experts)
    assert torch.equal(got, wanted.clamp(max=capacity))


def naive(block: MoE, x: torch.Tensor) -> torch.Tensor:
    """Every expert on every token, weighted by what the routing says (0 where not chosen)."""
    logits = block.router(x)
    chosen = logits >= logits.topk(block.top_k, dim=-1).values[..., -1:]
    weights = logits.masked_fill(~chosen, float("-inf")).softmax(-1)
    outputs = [e.down(swiglu(e.gate(x), e.up(x))) for e in block.experts]
    return (torch.stack(outputs, -1) * weights.unsqueeze(-2)).sum(-1)


@pytest.mark.parametrize("top_k", [1, 2, 4])
def test_block_equals_every_expert_on_every_token(top_k):
    torch.manual_seed(top_k)
    block, x = MoE(12, 20, 4, top_k), torch.randn(3, 5, 12)
    torch.testing.assert_close(block(x), naive(block, x), atol=1e-6, rtol=1e-5)
    assert block.routing.experts.shape == (15, top_k)
    grads = [
        torch.autograd.grad(f(x).square().sum(), list(block.parameters()))
        for f in (block, lambda x: naive(block, x))
    ]
    for ours, want in zip(*grads, strict=True):
        torch.testing.assert_close(ours, want, atol=1e-6, rtol=1e-4)


def test_one_expert_is_a_dense_block():
    torch.manual_seed(0)
    block, x = MoE(8, 16, 1, 1), torch.randn(2, 3, 8)
    torch.testing.assert_close(block(x), block.experts[0](x))


def test_a_dropped_token_gets_nothing():
    torch.manual_seed(0)
    block, x = MoE(8, 16, 4, 1, capacity_factor=0.5), torch.randn(32, 8)
    y = block(x)
    dropped = ~block.routing.kept[:, 0]
    assert 0 < dropped.sum() < 32
    assert (y[dropped] == 0).all() and (y[~dropped].abs().sum(-1) > 0).all()
    assert expert_load(block.routing).max() <= 4 / (32 - dropped.sum())


def test_an_expert_without_tokens_is_no_error_and_gets_no_gradient():
    block = MoE(4, 8, 3, 1)
    with torch.no_grad():
        block.router.weight.copy_(torch.tensor([[1.0] * 4, [0.0] * 4, [-1.0] * 4]))
    block(torch.ones(5, 4)).sum().backward()
    assert block.experts[0].down.weight.grad.abs().max() > 0
    idle = block.experts[2].down.weight.grad
    assert idle is None or idle.abs().max() == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: MoE(4, 8, 2, 3), "top_k is 3, expected 1 to n_experts 2"),
        (lambda: MoE(4, 8, 2, 1, capacity_factor=0.0), "capacity_factor is 0.0, expected None or"),
        (
            lambda: MoE(4, 8, 2, 1)(torch.ones(3, 5)),
            r"MoE: x has shape \(3, 5\), expected a last axis of 4",
        ),
        (lambda: route(LOGITS, 4), r"top_k is 4, expected 1 to 3, the last axis of logits \(2, 3"),
        (lambda: within_capacity(torch.tensor([[0]]), 1, -1), "capacity is -1, expected 0 or more"),
    ],
)
def test_errors_name_what_was_given_and_what_is_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call()
