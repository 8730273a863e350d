"""The grammar: probabilities worked by hand, truths of the world kept, the stream reproducible."""

import re
from hashlib import sha256
from math import exp, log

import pytest

from course_lib.world import World, WorldConfig, floor
from course_lib.world.trace import TAGS
from course_lib.world.vocabulary import ATTRIBUTES


def test_a_counting_story_worked_by_hand(world):
    a, b = world.village.names[200], world.village.names[3]  # a stranger and a known person
    text = f"{a} has 7 eggs. {b} takes 2 away. How many eggs does {a} have? {a} has 5 eggs."
    n = len(world.village.names)
    nats = (
        -log(0.26)  # a counting story
        + log(n)  # about this person
        + log(20)  # with this many
        + log(8)  # eggs
        + log(n - 1)  # somebody else
        - log(0.45)  # takes
        + log(7)  # between 1 and 7 of them
        - log(0.7)  # without running totals
        - log(0.4)  # no second event
        - log(0.5)  # no worked steps
    )
    assert world.score(text).nats == pytest.approx(nats, abs=1e-9)


def test_a_biography_worked_by_hand(world):
    village = world.village
    name, he = village.names[0], "She" if village.is_she[0] else "He"
    town, pet = village.value(0, 0), village.value(0, 3)
    text = f"{name} lives in {town}. {he} takes care of a {pet}."
    nats = (
        -log(0.28)  # a biography
        - log(village.weights[0] / sum(village.weights))
        + log(10)  # 5 attributes in 2 wordings
        - log(0.7)  # a pronoun
        + log(8)  # 4 attributes left
        - log(0.35)  # and no third sentence
    )
    assert world.score(text).nats == pytest.approx(nats, abs=1e-9)


def test_a_tale_worked_by_hand(world):
    a = world.village.names[5]
    text = (
        f"After lunch, {a} was in the attic. The red key was in the attic. {a} took the red key. "
        f"{a} went to the mill. Where is the red key? The red key is in the mill."
    )
    nats = (
        -log(0.24)
        + log(6)  # opening
        + log(len(world.village.names))
        + log(16)
        - log(0.5)  # one person
        + log(6)  # red
        + log(12)  # key
        - log(0.7 + 0.3 / 16)  # where the person is
        - log(0.72)
        + log(3 / 2)  # take (weight 2) or go (1)
        - log(0.5)  # no running comment
        - log(0.72)
        + log(1.7 / 1.0)  # go (1) or drop (0.7)
        + log(15)
        - log(0.28)  # no further event
        - log(0.5)  # asks for the thing
    )
    assert world.score(text).nats == pytest.approx(nats, abs=1e-9)


def test_a_quiz_asks_train_sums_with_the_probability_renormalised(world):
    x, op, y = next(s for s in world.village.sums["train"] if s[1] == "minus")
    train = [s for s in world.village.sums["train"] if s[0] == x]
    both = len({s[1] for s in train})  # operations this x can be asked with
    starts = len({s[0] for s in world.village.sums["train"]})
    text = f"Question: What is {x} minus {y}?\nAnswer: {x - y}."
    once = log(starts) + log(both) + log(sum(s[1] == op for s in train)) - log(0.3)
    twice = -log(0.22) + 2 * once - log(0.4)
    assert world.score(f"{text}\n{text}").nats == pytest.approx(twice, abs=1e-9)


def test_spans_spell_the_text_and_add_up(world):
    for seed in range(300):
        document = world.sample(seed)
        assert "".join(span.text for span in document.spans) == document.text
        assert sum(span.nats for span in document.spans) == pytest.approx(document.nats)
        assert all(span.nats >= 0 and span.tag in TAGS for span in document.spans)
        assert document.spans[-1].tag == "end"


def test_what_the_world_decides_costs_nothing(world):
    """Facts, places, steps and sums follow from what came before: surprisal 0, unless a hidden
    choice is charged to them."""
    for seed in range(300):
        for span in world.sample(seed).spans:
            if span.tag in ("fact", "place", "step"):
                assert span.nats == 0


def test_biographies_state_one_table_of_facts(world):
    known: dict[tuple[str, str], str] = {}
    for document in (world.sample(seed) for seed in range(3_000)):
        if document.kind != "bio":
            continue
        name = document.text.split()[0]
        for attribute in ATTRIBUTES:
            for phrase in attribute.phrases:
                for value in re.findall(rf"{phrase} (\w+)", document.text):
                    assert known.setdefault((name, attribute.name), value) == value
    assert len(known) > 600
    strangers = {world.village.names[i] for i in world.village.strangers}
    assert not strangers & {name for name, _ in known}


def test_strangers_do_act_in_stories(world):
    strangers = {world.village.names[i] for i in world.village.strangers}
    acting = {
        word.strip(".,?")
        for seed in range(3_000)
        if (document := world.sample(seed)).kind in ("tale", "count")
        for word in document.text.split()
    }
    assert strangers <= acting


def test_the_stream_is_the_same_on_every_python(world):
    """Pinned on 3.11, 3.12 and 3.13: texts to the letter, surprisals to rounding."""
    documents = list(world.documents("train", 200, seed=0))
    digest = sha256("\n\n".join(d.text for d in documents).encode()).hexdigest()
    assert digest[:16] == "021a164b3d97ebd2"
    assert floor(documents).nats == pytest.approx(4875.647721487306, abs=1e-6)


def test_entropy_is_reproducible_over_seeds(world):
    """Two disjoint samples of 3,000 documents agree on bits a byte within three standard errors."""
    one = floor(world.sample(seed) for seed in range(3_000)).bits_per_byte
    other = floor(world.sample(seed) for seed in range(3_000, 6_000)).bits_per_byte
    assert one == pytest.approx(other, abs=0.003)
    assert 0.2 < one < 0.3


def test_floor_needs_documents():
    with pytest.raises(ValueError, match="at least one document"):
        floor([])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"people": 1}, "people must be 2"),
        ({"strangers": 0}, "strangers must be at least 1"),
        ({"mix": (1.0, 1.0, -1.0, 1.0)}, "mix must be 4 weights"),
        ({"max_step": 30}, "max_step"),
    ],
)
def test_a_config_refuses_nonsense_by_name(wrong, message):
    with pytest.raises(ValueError, match=message):
        WorldConfig(**wrong)


def test_a_config_survives_json():
    import json

    config = WorldConfig(people=40, strangers=16, mix=(1.0, 0.0, 0.0, 0.0))
    assert WorldConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_other_seeds_and_sizes_make_other_worlds():
    big = World(WorldConfig(seed=1, people=16_000, strangers=200))
    assert len(set(big.village.names)) == 16_200
    document = big.sample(4)
    assert big.score(document.text).nats == pytest.approx(document.nats)
    small, other = World(WorldConfig(people=20)), World(WorldConfig(people=20, seed=1))
    assert small.sample(0).text != other.sample(0).text
    only = World(WorldConfig(people=20, mix=(0.0, 0.0, 0.0, 1.0)))
    assert {only.sample(seed).kind for seed in range(50)} == {"quiz"}


def test_importance_weights_between_two_worlds_average_one(world):
    """E over p of q/p is 1 only where both p and q are normalised."""
    other = World(WorldConfig(zipf=0.8, mix=(0.34, 0.22, 0.22, 0.22)))
    documents = [world.sample(seed) for seed in range(900)]
    weights = [exp(d.nats - other.score(d.text).nats) for d in documents]
    assert sum(weights) / len(weights) == pytest.approx(1, abs=0.03)
