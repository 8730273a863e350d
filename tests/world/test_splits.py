"""Train, validation and test share nothing, and the corpus never asks a held-out question."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.world import World, WorldConfig
from course_lib.world.splits import SPLITS, skeleton, split_of

WORLD = World()
ASKED = re.compile(r"Question: (.*)\n")


@pytest.fixture(scope="module")
def corpora() -> dict[str, list]:
    sizes = {"train": 4_000, "validation": 300, "test": 300}
    return {split: list(WORLD.documents(split, n, seed=3)) for split, n in sizes.items()}


def test_no_story_is_on_two_sides_even_with_names_taken_out(corpora):
    names = WORLD.village.name_set
    shapes = {split: {skeleton(d.text, names) for d in docs} for split, docs in corpora.items()}
    assert all(len(shape) > 250 for shape in shapes.values())
    for one in SPLITS:
        for other in SPLITS:
            assert one == other or not shapes[one] & shapes[other]


def test_splits_have_their_shares():
    drawn = [WORLD.sample(seed).split for seed in range(3_000)]
    shares = [drawn.count(split) / len(drawn) for split in SPLITS]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.02)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**48), shift=st.integers(1, 287))
def test_renaming_everybody_keeps_the_split(seed, shift):
    document = WORLD.sample(seed)
    names = WORLD.village.names
    other = {name: names[(i + shift) % len(names)] for i, name in enumerate(names)}
    renamed = re.sub(r"[A-Z][a-z]+", lambda m: other.get(m[0], m[0]), document.text)
    assert renamed != document.text or document.text.count("What is") == 4 or "?" in renamed
    known = WORLD.village.name_set
    assert skeleton(renamed, known) == skeleton(document.text, known)


def test_all_tellings_of_a_story_have_one_skeleton():
    plain = "Rona has 3 nuts. Tori brings 4 more. How many nuts does Rona have? Rona has 7 nuts."
    comment = plain.replace("more.", "more, now 7.")
    worked = plain.replace("have? ", "have? 3 plus 4 is 7. ")
    others = plain.replace("Rona", "Bana").replace("Tori", "Visen")
    names = frozenset({"Rona", "Tori", "Bana", "Visen"})
    shapes = {skeleton(text, names) for text in (plain, comment, worked, others)}
    assert shapes == {"_ has 3 nuts. _ brings 4 more. How many nuts does _ have?"}


def test_the_corpus_asks_train_questions_alone(corpora):
    asked = {q for docs in corpora.values() for d in docs for q in ASKED.findall(d.text)}
    held_out = {
        q.prompt
        for split in ("validation", "test")
        for q in WORLD.questions(split, 4_000, kinds=("fact", "sum"))
    }
    assert len(asked) > 400
    assert len(held_out) > 400
    assert not asked & held_out


def test_questions_of_different_splits_are_different():
    names = WORLD.village.name_set
    seen: dict[str, str] = {}
    for split in SPLITS:
        for question in WORLD.questions(split, 600, seed=1):
            shape = question.prompt
            if question.kind in ("where", "count"):
                shape = skeleton(question.prompt, names)
            assert seen.setdefault(shape, split) == split


def test_held_out_stories_never_stand_in_the_train_corpus(corpora):
    names = WORLD.village.name_set
    train = {skeleton(d.text, names) for d in corpora["train"]}
    for split in ("validation", "test"):
        for question in WORLD.questions(split, 200, kinds=("where", "count")):
            assert skeleton(question.prompt, names) not in train


def test_held_out_facts_are_stated_in_the_corpus(corpora):
    """What a test question asks can be learnt: biographies state it."""
    text = "\n".join(d.text for d in corpora["train"] if d.kind == "bio")
    questions = WORLD.questions("test", 500, kinds=("fact",))
    common = [q for q in questions if text.count(q.meta["person"]) > 40]
    assert common
    for question in common:
        phrases = [a for a in question.meta["accepted"] if a.startswith(("He ", "She "))]
        tails = [phrase.split(" ", 1)[1] for phrase in phrases]
        lines = [line for line in text.splitlines() if line.startswith(question.meta["person"])]
        assert any(tail in line for line in lines for tail in tails)


def test_strangers_are_split_by_name():
    pools = WORLD.village.stranger_names
    assert sum(len(set(pool)) for pool in pools.values()) == len(WORLD.village.strangers)
    assert min(len(pool) for pool in pools.values()) >= 15


def test_splits_do_not_depend_on_the_size_of_the_world():
    big = World(WorldConfig(people=600, strangers=300))
    for seed in range(200):
        document = WORLD.sample(seed)
        known = WORLD.village.name_set | big.village.name_set
        assert skeleton(document.text, WORLD.village.name_set) == skeleton(document.text, known)


def test_an_unknown_split_is_refused_by_name():
    with pytest.raises(ValueError, match="split 'dev' is unknown; use one of train"):
        next(WORLD.documents("dev", 1))
    with pytest.raises(ValueError, match="split 'dev'"):
        WORLD.questions("dev", 1)


def test_split_of_is_uniform():
    drawn = [split_of(f"key {i}", (0.5, 0.3, 0.2)) for i in range(4_000)]
    shares = [drawn.count(split) / 4_000 for split in SPLITS]
    assert shares == pytest.approx([0.5, 0.3, 0.2], abs=0.025)
