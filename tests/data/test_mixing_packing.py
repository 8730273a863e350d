import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.data.mixing.packing import IGNORE, batch, best_fit, chunks, pack

EOS = 0
DOCS = st.lists(st.lists(st.integers(4, 99), min_size=1, max_size=15), min_size=1, max_size=40)


def test_a_row_by_hand():
    packed = pack([[5, 6], [7, 8, 9]], seq_len=9, eos_id=EOS)
    assert packed.inputs.tolist() == [[0, 7, 8, 9, 0, 5, 6, 0, 0]]
    assert packed.targets.tolist() == [[7, 8, 9, 0, 5, 6, 0, IGNORE, IGNORE]]
    assert (packed.inputs == EOS).cumsum(1).tolist() == [[1, 1, 1, 1, 2, 2, 2, 3, 4]]
    assert packed.tokens == 7 and packed.efficiency == 7 / 9


@given(DOCS)
def test_every_document_is_whole_and_occurs_once(docs):
    packed = pack(docs, seq_len=16, eos_id=EOS)
    found = []
    for inputs, targets in zip(packed.inputs.tolist(), packed.targets.tolist(), strict=True):
        assert inputs[0] == EOS
        end = targets.index(IGNORE) if IGNORE in targets else len(targets)
        document = []
        for token, target in zip(inputs[:end], targets[:end], strict=True):
            if token != EOS:
                document.append(token)
            if target == EOS:
                found.append(document)
                document = []
            else:
                assert target != IGNORE
        assert document == []
        assert set(inputs[end:]) <= {EOS} and set(targets[end:]) <= {IGNORE}
    assert sorted(found) == sorted(docs)


@given(st.lists(st.integers(1, 20), max_size=60))
def test_best_fit_is_within_its_bound(lengths):
    bins = best_fit(lengths, 20)
    assert sorted(i for members in bins for i in members) == list(range(len(lengths)))
    assert all(sum(lengths[i] for i in members) <= 20 for members in bins)
    assert len(bins) <= 11 / 9 * math.ceil(sum(lengths) / 20) * 2 + 4


def test_best_fit_fills_the_fullest_bin_that_has_room():
    # 6 and 5 open a bin each (rooms 4 and 5); 4 belongs to the first, 5 fits the second alone
    assert best_fit([6, 5, 4, 5], 10) == [[0, 2], [1, 3]]


def test_a_document_that_does_not_fit_is_refused_or_cut():
    with pytest.raises(ValueError, match="has 16 tokens"):
        pack([[5] * 16], seq_len=16, eos_id=EOS)
    assert chunks([1, 2, 3, 4, 5], 2) == [[1, 2], [3, 4], [5]]


def rows_of(packed, step, rows, seed=0):
    return batch(packed, step, rows, seed)[0][:, 1].tolist()


def test_a_batch_depends_on_seed_and_step_alone():
    packed = pack([[i] * 5 for i in range(4, 15)], seq_len=6, eos_id=EOS)
    first = [rows_of(packed, step, 4) for step in range(30)]
    assert first[17:] == [rows_of(packed, step, 4) for step in range(17, 30)]
    assert first != [rows_of(packed, step, 4, seed=1) for step in range(30)]
    torch.rand(3)  # the global generator plays no part
    assert first[5] == rows_of(packed, 5, 4)


@given(st.integers(1, 30), st.integers(1, 12))
def test_each_epoch_shows_each_row_once(size, rows):
    packed = pack([[i] * 5 for i in range(4, 4 + size)], seq_len=6, eos_id=EOS)
    seen = [row for step in range(2 * size) for row in rows_of(packed, step, rows)]
    for epoch in range(2 * rows):
        assert sorted(seen[epoch * size : (epoch + 1) * size]) == list(range(4, 4 + size))
