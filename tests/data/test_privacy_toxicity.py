import pytest

from course_lib.data.privacy.comments import (
    GROUPS,
    HARMLESS,
    INSULTS,
    SPARE_INSULTS,
    THREATS,
    comments,
    harmless,
)
from course_lib.data.privacy.planted import SENTENCES, TRAPS, planted, traps
from course_lib.data.privacy.protect import find
from course_lib.data.privacy.toxicity import Lexicon, train_classifier

LIST = Lexicon(frozenset(INSULTS + THREATS))


def test_a_lexicon_matches_whole_words_and_phrases_and_says_which():
    assert LIST.hits("You IDIOT, shut  up! Clowning, foolproof, upshut.") == ["idiot", "shut up"]
    verdict = LIST.verdict("You fool, you fool, get lost")
    assert not verdict.keep and verdict.rule == "lexicon"
    assert verdict.reason == "3 hits: fool, get lost"
    assert Lexicon(frozenset({"fool"}), most=1).verdict("a fool").keep
    assert LIST.verdict("A quiet page about bees.").keep


def test_errors():
    with pytest.raises(ValueError, match="entries is empty"):
        Lexicon(frozenset())
    with pytest.raises(ValueError, match="all 2 examples have one label"):
        train_classifier(["a b", "c d"], [True, True])
    with pytest.raises(ValueError, match="groups_in_kind=2.0"):
        comments(4, groups_in_kind=2.0)


@pytest.fixture(scope="module")
def classifier():
    made = comments(1500, seed=0, groups_in_kind=0.0)
    return train_classifier([c.text for c in made], [c.abusive for c in made])


def test_the_classifier_tells_abuse_apart_and_names_its_words(classifier):
    held_out = comments(300, seed=1, groups_in_kind=0.0)
    right = [classifier.verdict(c.text).keep != c.abusive for c in held_out]
    assert sum(right) / len(right) > 0.97
    verdict = classifier.verdict("You are such a moron.")
    assert not verdict.keep and "moron" in verdict.reason
    assert classifier.because("Bees and bridges.") == []


def test_groups_named_only_in_attacks_become_suspect_by_themselves(classifier):
    def mean(group):
        texts = [form.format(g=group) for form in HARMLESS["who people are"]]
        return sum(classifier.scores(texts)) / len(texts)

    assert min(map(mean, GROUPS)) > mean("quiet")


def test_made_comments_are_half_abuse_and_never_hold_the_spare_insults():
    made = comments(200, seed=3)
    assert sum(c.abusive for c in made) == 100 and made == comments(200, seed=3)
    assert not any(word in c.text.lower() for c in made for word in SPARE_INSULTS)
    assert {c.kind for c in harmless()} == set(HARMLESS)
    assert not any("{" in c.text for c in [*made, *harmless()])


def test_planted_values_stand_where_they_say():
    for sentence in planted(120, seed=1):
        assert sentence.text[sentence.start : sentence.end] == sentence.value
        assert sentence.kind in SENTENCES and not sentence.trap
        if sentence.kind in ("email", "card", "iban", "ip"):
            assert [(f.kind, f.start, f.end) for f in find(sentence.text)] == [
                (sentence.kind, sentence.start, sentence.end)
            ]
    assert {t.kind for t in traps(60)} == set(TRAPS) and all(t.trap for t in traps(5))


def test_names_can_be_kept_apart():
    first = {s.value for s in planted(100, kinds=("name",), people=slice(8))}
    second = {s.value for s in planted(100, kinds=("name",), people=slice(8, None))}
    assert first and second and not first & second
