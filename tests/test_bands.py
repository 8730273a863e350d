"""A band that a sentence rests on breaks for the nearest wrong run, which is recorded with it."""

import pytest

from tools.bands import Entry, entries, faults, row

ENTRIES = {entry.name: entry for entry in entries()}

# Claims that held for their opposite once: swapped arms, a dead switch, half a run.
CLAIMS = (
    "filtering/gain",
    "filtering/loss_of_dropped",
    "mixing/penalty_4",
    "mixing/penalty_16",
    "blocks/variant_gap_largest",
    "optimizers/eight_bits_cost",
    "optimizers/bytes_8bit",
    "positions/rope_rise",
    "checkpoints/spike_setback_warned",
    "checkpoints/spike_setback_skipped",
    "base/held_out_rows_over_floor",
    "base/bits_per_byte",
    "base/gap_nats_per_token",
    "world/floor_bits_per_byte",
    "world/importance_ratio",
    "families/rope_gain",
    "families/shared_key_gain",
)


def test_no_band_that_a_claim_rests_on_lets_its_wrong_run_pass():
    assert [fault for entry in ENTRIES.values() for fault in faults(entry)] == []


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_names_its_nearest_wrong_run(name):
    assert ENTRIES[name].wrong is not None
    assert ENTRIES[name].how


def test_most_pages_have_such_bands():
    held = {entry.name.split("/")[0] for entry in ENTRIES.values() if entry.wrong is not None}
    assert len(held) >= 25
    assert sum(entry.wrong is not None for entry in ENTRIES.values()) >= 150


def test_the_check_sees_each_kind_of_empty_band():
    held = Entry("page/held", (0.9, 1.1), 1.5, "the other arm")
    assert faults(held) == []
    assert "passes" in faults(held._replace(wrong=1.05))[0]
    assert "wide" in faults(held._replace(band=(0.5, 1.4)))[0]
    assert "says not how" in faults(held._replace(how=""))[0]
    assert "no band" in faults(held._replace(band=None))[0]
    assert "without" in faults(held._replace(wrong=None))[0]
    assert faults(held._replace(wrong=None, how="")) == []
    assert "1.5 (the other arm)" in row(held, 1.0)
