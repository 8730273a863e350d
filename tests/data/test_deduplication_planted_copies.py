import random

import pytest

from course_lib.data.deduplication.planted_copies import EDITS, FOOT, FRAME, PASSAGE, copies

TEXTS = [" ".join(f"w{i}x{j}" for j in range(120)) + "\nend" for i in range(3)]


def test_each_edit_does_what_its_name_says():
    made = {edit: copies(TEXTS, edit) for edit in EDITS}
    before = TEXTS[1].split()
    assert made["none"] == TEXTS
    assert made["line ends and capitals"][1].lower().split() == before
    assert sorted(made["all words shuffled"][1].split()) == sorted(before)
    moved = made["passages moved"][1].split()
    assert sorted(moved) == sorted(before) and moved != before
    start = moved.index(before[0])
    assert moved[start : start + PASSAGE] == before[:PASSAGE]
    assert made["another site's frame"][1].split() == [*FRAME.split(), *before, *FOOT.split()]
    assert " ".join(before[:60]) in made["half of it quoted"][1]
    assert len(made["half of it quoted"][1].split()) == 120


@pytest.mark.parametrize("edit, share", [("1 word in 50", 0.02), ("1 word in 5", 0.2)])
def test_the_share_of_changed_words(edit, share):
    texts = [" ".join(f"{random.Random(i).random()}{j}" for j in range(1000)) for i in range(5)]
    pairs = [
        pair
        for a, b in zip(texts, copies(texts, edit), strict=True)
        for pair in zip(a.split(), b.split(), strict=True)
    ]
    assert abs(sum(a != b for a, b in pairs) / 5000 - share) < 4 * (share / 5000) ** 0.5


def test_copies_repeat_with_their_seed_and_unknown_edits_are_refused():
    assert copies(TEXTS, "1 word in 10") == copies(TEXTS, "1 word in 10")
    assert copies(TEXTS, "1 word in 10", seed=1) != copies(TEXTS, "1 word in 10")
    with pytest.raises(ValueError, match="edit='none at all' is not one of none, "):
        copies(TEXTS, "none at all")
