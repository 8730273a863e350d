"""The batch that grows: padding on the left, and rows that follow the texts they belong to."""

import torch

from course_lib.architecture.sampling.sequences import Sequences, pad_left
from tests.architecture.test_decoder import lively


def test_pad_left_by_hand():
    tokens, real = pad_left([[4], [5, 6, 7]])
    assert tokens.tolist() == [[0, 0, 4], [5, 6, 7]]
    assert real.int().tolist() == [[0, 0, 1], [1, 1, 1]]


@torch.no_grad()
def test_logits_follow_the_rows_that_are_kept():
    """After a step, keep the second text twice: its logits are those of the whole text, twice."""
    model = lively()
    texts = Sequences(model, [[5], [7, 2, 9]])
    texts.next_logits()
    texts.append(torch.tensor([1, 4]))
    texts.keep(torch.tensor([1, 1]))
    texts.append(torch.tensor([3, 8]))
    logits = texts.next_logits()
    whole = model(torch.tensor([[7, 2, 9, 4, 3], [7, 2, 9, 4, 8]]))[:, -1]
    torch.testing.assert_close(logits, whole, atol=1e-5, rtol=1e-5)
    assert (logits[0] - logits[1]).abs().max() > 1e-2
