"""The check passes right steps, whatever their style, and names each wrong one."""

import pytest
import torch
from torch.nn import functional as F

from course_lib.checks import pretraining as check


def by_one_graph(model, parts, optimizer, max_norm):
    """All parts in one backward pass, zeroed after the step: right, if memory allows."""
    logits = torch.cat([model(inputs).flatten(0, 1) for inputs, _ in parts])
    F.cross_entropy(logits, torch.cat([targets.flatten() for _, targets in parts])).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    optimizer.zero_grad()


def by_scaling_last(model, parts, optimizer, max_norm):
    """Gradients of the sums, divided before clipping."""
    optimizer.zero_grad()
    tokens = 0
    for inputs, targets in parts:
        loss = F.cross_entropy(model(inputs).transpose(1, 2), targets, reduction="sum")
        loss.backward()
        tokens += int((targets != -100).sum())
    for weight in model.parameters():
        weight.grad /= tokens
    torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()


@pytest.mark.parametrize("answer", [by_one_graph, by_scaling_last])
def test_right_answers_pass(answer):
    assert check.accumulation(answer).passed


@pytest.mark.parametrize("sentence", check.ACCUMULATION_MISTAKES)
def test_every_mistake_is_named(sentence):
    report = check.accumulation(check.ACCUMULATION_MISTAKES[sentence])
    assert not report.passed
    assert report.mistake == sentence


def test_doing_nothing_fails():
    assert not check.accumulation(lambda model, parts, optimizer, max_norm: None).passed


def test_a_learner_who_has_not_begun_is_told_so():
    def stub(model, parts, optimizer, max_norm):
        raise NotImplementedError

    assert "Nothing here yet" in str(check.accumulation(stub))
