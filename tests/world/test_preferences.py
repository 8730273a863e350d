"""Preference pairs: the chosen reply is right, the rejected one wrong, kinds balanced."""

import pytest

from course_lib.world import UNKNOWN
from course_lib.world.preferences import KINDS


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_chosen_is_right_and_rejected_wrong(world, split):
    asked = {"true": "fact", "helpful": "fact", "honest": "stranger"}
    asked |= {"right": "count", "seen": "where"}
    pairs = world.preferences(split, 100, seed=1)
    assert [pair.why.split(":")[0] for pair in pairs] == list(KINDS) * 20
    assert all(pair.chosen != pair.rejected for pair in pairs)
    for kind in KINDS:
        questions = {q.prompt: q for q in world.questions(split, 0, kinds=(asked[kind],))}
        assert questions == {}
        some = [pair for pair in pairs if pair.why.startswith(kind)]
        if kind == "honest":
            assert {pair.chosen for pair in some} == {UNKNOWN}
        elif kind == "helpful":
            assert {pair.rejected for pair in some} == {UNKNOWN}
        else:
            assert all(UNKNOWN not in (pair.chosen, pair.rejected) for pair in some)


def test_right_and_seen_pairs_hold_up_under_the_worlds_score(world):
    for pair in world.preferences("train", 60, kinds=("right", "seen")):
        assert world.score(f"{pair.prompt} {pair.chosen}").possible
        rejected = world.score(f"{pair.prompt} {pair.rejected}")
        assert rejected.fault in ("arithmetic", "causality", "grammar")


def test_true_pairs_are_told_apart_by_the_worlds_facts(world):
    village = world.village
    for pair in world.preferences("test", 60, kinds=("true",)):
        person = village.names.index(pair.chosen.split()[0])
        facts = {village.value(person, k) for k in range(5)}
        chosen = set(pair.chosen.removesuffix(".").split()) & facts
        assert chosen
        assert not chosen <= set(pair.rejected.removesuffix(".").split())


def test_kinds_can_be_chosen_and_unknown_ones_are_refused(world):
    assert len(world.preferences("train", 9, kinds=("honest", "helpful"))) == 9
    with pytest.raises(ValueError, match="kind 'polite' is unknown"):
        world.preferences("train", 4, kinds=("polite",))
