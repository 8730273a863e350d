from course_lib.data.pipeline import prepare
from course_lib.data.records import Record

PROSE = (
    "The library keeps a list of the books that people borrow and return. When a book comes "
    "back, the clerk crosses it off and puts it on the shelf where it belongs. "
)


def records(*texts):
    return [Record(f"test/{i}", text, "test", "MIT") for i, text in enumerate(texts)]


def test_every_record_is_kept_or_accounted_for():
    texts = [
        PROSE,
        "Too short.",
        PROSE + " ",
        PROSE.replace("shelf", "table") + "And more of it.",
        "Write to a.b@example.org about the weather and the prices of bread and butter.",
    ]
    result = prepare(records(*texts))
    assert [r.id for r in result.kept] == ["test/0", "test/3", "test/4"]
    assert [(d.record.id, d.step, d.rule) for d in result.dropped] == [
        ("test/1", "quality", "too short"),
        ("test/2", "duplicates", "exact"),
    ]
    assert result.dropped[1].reason == "Jaccard 1.00 with 0"
    assert result.kept[2].text.startswith("Write to <email> about")
    assert result.repaired == {"blank space trimmed": 2, "e-mail addresses masked": 1}


def test_the_account_adds_up():
    result = prepare(records(PROSE, "Short.", "Tiny.", PROSE))
    rows = result.account()
    assert sum(row["documents"] for row in rows) == len(result.dropped) == 3
    assert [(row["rule"], row["share"], row["bytes"]) for row in rows] == [
        ("too short", 0.5, 11),
        ("exact", 0.25, len(PROSE.strip())),
    ]
    assert rows[0]["for example"] == "1: 1 words, at least 8"
