"""The machinery of the checks, and the chapter's check: each named mistake is recognised."""

import pytest
import torch

from course_lib.architecture.attention import attention
from course_lib.architecture.flash import Tiling, flash_forward
from course_lib.architecture.sampling import filter_logits
from course_lib.checks import architecture
from course_lib.checks._report import Finding, close, describe, report, run_check

CASES = [(torch.tensor([[1.0, 3.0], [2.0, 2.0]]),), (torch.tensor([[1.0, 1.0]]),)]


def shares(x):
    return x / x.sum(-1, keepdim=True)


def shares_of_columns(x):
    return x / x.sum(0, keepdim=True)


def check(fn):
    return run_check("Shares", fn, CASES, shares, {"Sum over the last axis.": shares_of_columns})


def test_a_right_answer_passes(capsys):
    done = check(lambda x: x / x.sum(1).unsqueeze(1))
    assert done.passed and done.mistake is None
    assert capsys.readouterr().out == "✓ Shares\n✓ 2 cases equal the reference\n"


def test_a_known_mistake_is_named(capsys):
    done = check(shares_of_columns)
    assert not done.passed
    assert done.mistake == "Sum over the last axis."
    assert "Sum over the last axis." in capsys.readouterr().out


def test_an_unknown_mistake_shows_where_it_is():
    done = check(lambda x: torch.zeros_like(x))
    assert done.mistake is None
    assert "Farthest apart at [0, 1]: you have 0, expected 0.75" in done.findings[-1].detail


def broken(x):
    return x @ torch.ones(7)


def spoils(x):
    return x.div_(x.sum(-1, keepdim=True))


def stub(x):
    raise NotImplementedError


@pytest.mark.parametrize(
    ("fn", "said"),
    [
        (broken, "return x @ torch.ones(7)"),
        (spoils, "changed its argument in place"),
        (stub, "replace `raise NotImplementedError`"),
        (lambda x: None, "is there a `return`?"),
        (lambda x: x.sum(-1), "Your shape is (2,), expected (2, 2)"),
        (lambda x: x / 0, "you have inf"),
        (lambda x: x * float("nan"), "4 of your 4 values are NaN"),
        (lambda x: x.tolist(), "You returned a list"),
    ],
)
def test_what_goes_wrong_is_said(fn, said):
    done = check(fn)
    assert not done.passed
    assert said in str(done)


def test_the_traceback_is_the_learners_own():
    assert "_report.py" not in str(check(broken))


def test_close_by_hand():
    assert close(1.0 + 1e-7, 1.0) and not close(1.01, 1.0)
    assert close([1, {"a": torch.ones(2)}], [1, {"a": torch.ones(2)}])
    assert not close(torch.ones(2), torch.ones(2, 1))
    assert not close([1, 2], [1])
    assert not close(torch.ones(2), torch.tensor([True, True]))
    assert close(torch.tensor(2.0), 2.0) and not close("2", 2.0) and not close(None, 0)


def test_describe_and_report():
    assert describe((torch.zeros(2, 3), "ab", 0.5)) == "tensor (2, 3) float32, 'ab', 0.5"
    assert not report("Mine", [Finding(True, "a"), Finding(False, "b", "why")]).passed


def test_a_check_needs_cases():
    with pytest.raises(ValueError, match="'Empty' has no cases"):
        run_check("Empty", shares, [], shares)


def test_the_library_passes_its_own_check():
    assert architecture.grouped_query_attention(attention).passed


@pytest.mark.parametrize("sentence", architecture.MISTAKES)
def test_every_mistake_is_recognised_as_itself(sentence):
    done = architecture.grouped_query_attention(architecture.MISTAKES[sentence])
    assert not done.passed
    assert done.mistake == sentence


def test_the_library_passes_top_p():
    assert architecture.top_p(lambda logits, p: filter_logits(logits, top_p=p).softmax(-1)).passed


@pytest.mark.parametrize("sentence", architecture.TOP_P_MISTAKES)
def test_every_top_p_mistake_is_recognised_as_itself(sentence):
    done = architecture.top_p(architecture.TOP_P_MISTAKES[sentence])
    assert not done.passed
    assert done.mistake == sentence


def by_blocks(q, k, v, block):
    q, k, v = (x.view(1, 1, 1, *x.shape) for x in (q, k, v))
    tiling = Tiling(
        n_queries=q.shape[3], n_keys=k.shape[3], block_q=64, block_k=block, causal=False
    )
    out, log_sum = flash_forward(q, k, v, tiling)
    return out[0, 0, 0], log_sum[0, 0, 0, :, 0]


def test_the_library_passes_online_softmax():
    assert architecture.online_softmax(by_blocks).passed


@pytest.mark.parametrize("sentence", architecture.ONLINE_SOFTMAX_MISTAKES)
def test_every_online_softmax_mistake_is_recognised_as_itself(sentence):
    done = architecture.online_softmax(architecture.ONLINE_SOFTMAX_MISTAKES[sentence])
    assert not done.passed
    assert done.mistake == sentence


def test_a_right_answer_by_the_whole_matrix_is_told_so():
    def whole(q, k, v, block):
        scores = q @ k.T / q.shape[1] ** 0.5
        return scores.softmax(1) @ v, scores.logsumexp(1)

    done = architecture.online_softmax(whole)
    assert not done.passed and "whole matrix" in done.mistake
