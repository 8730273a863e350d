"""Schedules by hand, and as properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.pretraining.schedules.rates import cosine, wsd


def test_wsd_by_hand():
    assert wsd(0.025, warmup=0.05) == pytest.approx(0.5)
    assert wsd(0.5) == 1.0
    assert wsd(0.85, decay=0.3, floor=0.0) == pytest.approx(0.5)
    assert wsd(1.0, floor=0.02) == pytest.approx(0.02)
    assert wsd(1.0, decay=0.0) == 1.0


def test_cosine_by_hand():
    assert cosine(0.05) == pytest.approx(1.0)
    assert cosine(0.525, floor=0.0) == pytest.approx(0.5)
    assert cosine(1.0, floor=0.1) == pytest.approx(0.1)


@given(st.floats(0, 1), st.floats(0, 1))
def test_after_the_warm_up_no_schedule_rises(a, b):
    early, late = sorted((max(a, 0.05), max(b, 0.05)))
    for schedule in (wsd, cosine):
        assert schedule(late) <= schedule(early) + 1e-12


@pytest.mark.parametrize("progress", [-0.1, 1.1])
def test_progress_outside_the_run_is_refused(progress):
    with pytest.raises(ValueError, match="share of the run"):
        wsd(progress)


def test_shares_above_one_are_refused():
    with pytest.raises(ValueError, match="at most 1"):
        wsd(0.5, warmup=0.8, decay=0.3)
