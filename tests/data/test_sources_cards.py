import pytest

from course_lib.data.records import Record
from course_lib.data.sources.cards import data_card, script_of
from course_lib.page import widgets
from course_lib.page.widgets.documents import browsable

RECORDS = [
    Record("a", "One two three.", "books", "MIT", "story"),
    Record("b", "Write to ann@mill.example.", "web", "CC0"),
    Record("c", "Мир и дом.", "web", "CC0"),
    Record("d", "One two three.", "books", "MIT", "story"),
]


def test_a_card_counted_by_hand():
    card = data_card(RECORDS)
    assert (card.documents, card.bytes, card.words, card.repeated) == (4, 14 + 26 + 17 + 14, 12, 1)
    assert (card.shortest, card.median, card.longest) == (14, 17, 26)
    assert card.licences == {"MIT": 28, "CC0": 43}
    assert card.languages == {"latin": 3, "cyrillic": 1}
    assert card.personal == {"email": 1} and card.kinds == {"story": 2, "not stated": 2}
    rows = {row["question"]: row["answer"] for row in card.rows()}
    assert rows["licences, by bytes"] == "CC0 60.6%, MIT 39.4%"
    assert rows["personal data found"] == "1 email"
    assert "size_categories: [n<1K]" in card.front_matter()


def test_a_language_identifier_takes_the_place_of_scripts():
    assert data_card(RECORDS, language=lambda text: "xx").languages == {"xx": 4}
    assert script_of("日本語") == "cjk" and script_of("12 345") == "none"


def test_a_card_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one document"):
        data_card([])


def test_the_browser_holds_every_document_and_nobodys_address():
    shown = browsable([*RECORDS, Record("e", "y" * 1190 + " ann@mill.example", "web", "CC0")])
    assert [one["id"] for one in shown] == list("abcde")
    assert "ann@mill" not in str(shown) and shown[1]["text"] == "Write to <email>."
    assert shown[4]["text"] == "y" * 1190 + " <email>" and shown[4]["bytes"] == 1207
    assert browsable(RECORDS, limit=3)[0]["text"] == "One […]"


def test_a_browser_of_nothing_is_refused():
    with pytest.raises(ValueError, match="records is empty"):
        browsable([])


def test_the_script_of_the_browser_parses_and_has_its_parts():
    markup = widgets.markup("documents", browsable(RECORDS), "Four documents.")
    assert "matching(" in markup and markup.count("<script>") == 1
