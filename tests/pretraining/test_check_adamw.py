"""The check passes right steps, whatever their style, and names each wrong one."""

import pytest
import torch

from course_lib.checks import pretraining as check


def by_lerp(weight, grad, mean, square, t, lr, beta1, beta2, eps, decay):
    mean = mean.lerp(grad, 1 - beta1)
    square = square.lerp(grad.square(), 1 - beta2)
    rate = lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t)
    step = mean / (square.sqrt() + eps * (1 - beta2**t) ** 0.5)
    return weight * (1 - lr * decay) - rate * step, mean, square


def by_library(weight, grad, mean, square, t, lr, beta1, beta2, eps, decay):
    parameter = torch.nn.Parameter(weight.clone())
    optimizer = torch.optim.AdamW(
        [parameter], lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=decay
    )
    optimizer.state[parameter] = {
        "step": torch.tensor(t - 1.0), "exp_avg": mean.clone(), "exp_avg_sq": square.clone()
    }  # fmt: skip
    parameter.grad = grad.clone()
    optimizer.step()
    state = optimizer.state[parameter]
    return parameter.detach(), state["exp_avg"], state["exp_avg_sq"]


@pytest.mark.parametrize("answer", [by_lerp, by_library])
def test_right_answers_pass(answer):
    assert check.adamw_step(answer).passed


@pytest.mark.parametrize("sentence", check.ADAMW_MISTAKES)
def test_every_mistake_is_named(sentence):
    report = check.adamw_step(check.ADAMW_MISTAKES[sentence])
    assert not report.passed
    assert report.mistake == sentence


@pytest.mark.parametrize("place", [1, 2, 3])
def test_changing_an_argument_is_told(place):
    def in_place(*given):
        answer = by_lerp(*given)
        given[place].mul_(0.9).add_(0.1)
        return answer

    report = check.adamw_step(in_place)
    assert not report.passed
    assert "changed its argument in place" in str(report)


def test_zeros_fail():
    assert not check.adamw_step(lambda weight, *rest: (0 * weight,) * 3).passed
