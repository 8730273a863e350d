"""The filters that learn: character model, perplexity, language, classifier; and the junk."""

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.data.filtering.character_model import CharacterModel
from course_lib.data.filtering.classifier import QualityClassifier, rubric
from course_lib.data.filtering.junk import MAKERS, junk
from course_lib.data.filtering.language import NO_LANGUAGE, LanguageIdentifier
from course_lib.data.filtering.language_samples import SAMPLES
from course_lib.data.filtering.perplexity import PerplexityRules, bounds, judge_perplexity
from course_lib.pretraining.base.ngram import NGram

ENGLISH = list(SAMPLES["en"])


def test_the_model_by_hand():
    # aab: c(a)=2, c(b)=1, so p(a) = (2 + 2 * 1/4) / (3 + 2); a is followed by a once and b once
    model = CharacterModel(2, alphabet=4).fit(["aab"])
    first = (2 + 2 / 4) / 5
    assert model.probability("a", "") == pytest.approx(first)
    assert model.probability("a", "a") == pytest.approx((1 + 2 * first) / 4)
    assert model.bits("aa") == pytest.approx(-math.log2(first) - math.log2((1 + 2 * first) / 4))


def test_it_equals_the_token_model_of_the_pretraining_chapter():
    ours = CharacterModel(4, alphabet=300).fit(ENGLISH)
    other = NGram(4, 300).fit([list(map(ord, text)) for text in ENGLISH])
    for text in (ENGLISH[3], "Ein Satz", "zzz ~~~"):
        bits = other.nats(list(map(ord, text))) / math.log(2)
        assert ours.bits(text) == pytest.approx(bits, rel=1e-12)


@given(
    st.lists(st.text("abc", min_size=1, max_size=8), min_size=1, max_size=5),
    st.text("abcd", max_size=4),
)
def test_probabilities_of_all_characters_add_up_to_one(texts, context):
    model = CharacterModel(3, alphabet=4).fit(texts)
    assert sum(model.probability(c, context) for c in "abcd") == pytest.approx(1)


def test_fitting_again_counts_more_text():
    model = CharacterModel(2).fit(["abab"])
    before = model.bits("cd")
    assert model.fit(["cdcd"]).bits("cd") < before


def test_perplexity_refuses_noise_and_repetition_and_says_which():
    model = CharacterModel(4, alphabet=256).fit(ENGLISH[:7])
    rules = bounds(model, ENGLISH[7:], lower=0.0, upper=1.0)
    assert judge_perplexity(ENGLISH[8], model, rules).keep
    noise = judge_perplexity("qxz vvkq jjw zzqk xxjv", model, rules)
    assert noise.rule == "too surprising" and noise.reason.endswith(f"{rules.high:.2f}")
    same = judge_perplexity(
        "the the the the the the the the", model, PerplexityRules(low=rules.high, high=99.0)
    )
    assert same.rule == "too predictable"
    assert judge_perplexity(" \n", model, rules).rule == "empty"
    with pytest.raises(ValueError, match="low=3.0 must be at least 0 and below high=2.0"):
        PerplexityRules(low=3.0, high=2.0)
    with pytest.raises(ValueError, match="quantiles of trusted"):
        bounds(model, [])


@pytest.fixture(scope="module")
def identifier():
    return LanguageIdentifier().fit(SAMPLES)


def test_languages_are_told_apart_on_sentences_that_were_not_seen():
    held_out = LanguageIdentifier().fit({lang: texts[:-2] for lang, texts in SAMPLES.items()})
    pairs = [(lang, text) for lang, texts in SAMPLES.items() for text in texts[-2:]]
    right = sum(held_out.guess(text).language == lang for lang, text in pairs)
    assert right >= 0.9 * len(pairs)


def test_a_language_verdict_names_what_was_found(identifier):
    assert identifier.judge("You can read what it returns in the next line of this text.").keep
    german = identifier.judge("Das ist eine schöne Sache, und wir haben sie alle gern.")
    assert german.rule == "other language" and german.reason.startswith("de with probability")
    mash = identifier.judge("xqzj kvwq zzxj qqvk jxzw wqkj xzvq jkqz")
    assert mash.rule == "no known language"
    assert identifier.guess("漢字漢字").language == NO_LANGUAGE
    with pytest.raises(ValueError, match="wanted='xx' is not one of de, en"):
        identifier.judge("x", wanted="xx")
    with pytest.raises(ValueError, match="at least 2"):
        LanguageIdentifier().fit({"en": ENGLISH})


def test_the_rubric_counts_its_points():
    assert rubric("").score == 0 and rubric("x = 1").points == ()
    good = rubric(
        "A heap is a list. It keeps the least element first, because each parent is at "
        "most as large as its children. For example:\n>>> heappop([1, 2])\n1"
    )
    assert good.score == len(good.points) == 4


def test_the_classifier_learns_a_score_and_names_what_speaks_against():
    draw = random.Random(0)
    words = ["because", "therefore", "example", "means", "note"]
    bad = ["buy", "cheap", "sale", "deal", "price"]
    texts = [" ".join(draw.choices(words, k=12)) for _ in range(40)]
    texts += [" ".join(draw.choices(bad, k=12)) for _ in range(40)]
    model = QualityClassifier().fit(texts, [5] * 40 + [0] * 40)
    assert model.judge("because it means note therefore an example").keep
    verdict = model.judge("buy cheap sale price deal buy")
    assert not verdict.keep and any(f"'{word}" in verdict.reason for word in bad)
    assert np.allclose(model.scores([texts[0]]), 5, atol=0.5)
    with pytest.raises(ValueError, match="every score is 1"):
        model.fit(["a a", "b b"], [1, 1])
    with pytest.raises(ValueError, match="2 texts and 1 scores"):
        model.fit(["a", "b"], [1])


def test_junk_is_the_same_for_the_same_seed_and_holds_every_kind():
    made = list(junk(ENGLISH, 14, seed=3))
    assert [r.text for r in made] == [r.text for r in junk(ENGLISH, 14, seed=3)]
    assert [r.text for r in made] != [r.text for r in junk(ENGLISH, 14, seed=4)]
    assert {r.kind for r in made} == set(MAKERS) and all(r.text.strip() for r in made)
    shuffled = next(r for r in made if r.kind == "shuffled words")
    assert any(sorted(shuffled.text.split()) == sorted(text.split()) for text in ENGLISH)
    with pytest.raises(ValueError, match="prose is empty"):
        list(junk([], 1))
