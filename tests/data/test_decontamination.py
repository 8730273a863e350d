import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.data.decontamination import Hit, LeakIndex, OverlapRules

QUESTION = (
    "A miller has three sons and divides forty two sacks of flour among them so that each "
    "gets two more than the next. How many does the eldest get?"
)
ITEMS = {
    "q1": QUESTION,
    "q2": "What is the capital of the county that the river Ash "
    "flows through on its way to the sea?",
}


def test_a_leak_is_found_whatever_its_case_and_punctuation():
    page = f"Old exam papers!\n\n{QUESTION.upper().replace('.', ' --')}\n\nAnswers below."
    hits = LeakIndex(ITEMS).hits(page)
    assert {hit.item for hit in hits} == {"q1"}
    run = "a miller has three sons and divides forty two sacks of flour among"
    assert hits[0] == Hit("q1", run, 3)


def test_twelve_words_are_no_leak_and_eight_are_under_the_smaller_rule():
    twelve = " ".join(QUESTION.split()[:12])
    assert LeakIndex(ITEMS).hits(twelve) == []
    assert LeakIndex(ITEMS, OverlapRules.eight_words()).hits(twelve)
    characters = LeakIndex(ITEMS, OverlapRules.fifty_characters())
    assert len("".join(twelve.split())) == 49 and not characters.hits(twelve)
    assert characters.hits(twelve + " am-ong")  # neither spaces nor signs count


def test_a_paraphrase_passes():
    again = (
        "Three brothers share 42 sacks. Everyone has two more than the one after him. "
        "What is the share of the oldest?"
    )
    for rules in (OverlapRules.gpt3(), OverlapRules.eight_words(), OverlapRules.fifty_characters()):
        assert LeakIndex(ITEMS, rules).hits(again) == []


def test_short_items_count_by_their_own_length_down_to_the_least():
    items = {"nine": "one two three four five six seven eight nine", "short": "What is 3 plus 4?"}
    index = LeakIndex(items)
    assert index.too_short == ["short"] and index.sizes == {9}
    assert index.hits("zero one two three four five six seven eight nine ten")[0].place == 1
    assert index.hits("zero two three four five six seven eight nine ten") == []


def test_runs_that_many_items_share_accuse_nobody():
    form = "please read the following story and answer the question below it in one word"
    items = {str(i): f"{form}: number {i}" for i in range(12)}
    assert LeakIndex(items).hits(form) == [] and len(LeakIndex(items).common) > 0
    assert LeakIndex(items, OverlapRules(max_items=12)).hits(form)


def test_cleaning_names_the_item_and_accounts_for_every_document():
    pages = ["nothing here", QUESTION, "nothing there"]
    result = LeakIndex(ITEMS).clean(pages)
    assert result.kept == [0, 2] and result.removed[1].item == "q1"


@given(
    st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=3, max_size=30),
    st.integers(0, 20),
    st.integers(3, 6),
)
def test_hits_are_exactly_the_shared_runs(words, start, size):
    text, item = " ".join(words), " ".join(words[start:] or words)
    rules = OverlapRules(size=size, least=1, max_items=99)
    index = LeakIndex({"x": item}, rules)
    length = min(size, len(item.split()))
    runs = {tuple(item.split()[i : i + length]) for i in range(len(item.split()) - length + 1)}
    wanted = [i for i in range(len(words) - length + 1) if tuple(words[i : i + length]) in runs]
    assert [hit.place for hit in index.hits(text)] == wanted and wanted


def test_nonsense_rules_are_refused():
    with pytest.raises(ValueError, match="unit='lines' is not one of words, characters"):
        OverlapRules(unit="lines")
    with pytest.raises(ValueError, match="least=9 must be at least 1 and at most size=5"):
        OverlapRules(size=5, least=9)
    with pytest.raises(ValueError, match="max_items=0"):
        OverlapRules(max_items=0)
