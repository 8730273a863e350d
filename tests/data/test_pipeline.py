"""From records to shards: every record is kept or accounted for, and nothing is done unsaid."""

import json

import pytest

from course_lib.data.mixing.loader import LoaderConfig, PackedLoader
from course_lib.data.pipeline import DEDUP, RULES, prepare, prepare_text, prepare_tokens
from course_lib.data.records import Record
from course_lib.data.sources.source import source
from course_lib.data.tokenization.tokenizer import Tokenizer

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


def test_a_step_that_is_left_out_drops_nothing():
    assert len(prepare(records(PROSE, "Short.", PROSE), rules=None, dedup=None).kept) == 3
    assert [r.id for r in prepare(records(PROSE, "Short.", PROSE), rules=None).kept] == [
        "test/0",
        "test/1",
    ]


@pytest.mark.parametrize("dedup, kept", [(None, 3), (DEDUP, 2)])
def test_any_source_becomes_shards_that_a_loader_feeds(tmp_path, dedup, kept):
    """Records, prepare, shards, batch_at: with duplicates compared, or as a stream."""
    tokenizer = Tokenizer([])
    texts = [PROSE, "Too short.", PROSE, PROSE.replace("shelf", "table") + "And more of it."]
    shards = prepare_tokens(iter(records(*texts)), tokenizer, tmp_path, rules=RULES, dedup=dedup)
    inputs, targets = PackedLoader(shards, LoaderConfig(seq_len=64, batch_size=2)).batch_at(5)
    assert inputs.shape == (2, 64) and (inputs[:, 0] == tokenizer.eos_id).all()
    account = json.loads((tmp_path / "account.json").read_text())
    assert len(shards) == account["kept"] == kept
    assert (account["judged"], account["deduplicated"]) == (True, dedup is not None)
    assert sum(row["documents"] for row in account["dropped"]) == len(texts) - kept
    assert account["repaired"] == {"blank space trimmed": 2}


def test_a_stream_is_read_no_further_than_the_tokens_asked_for(tmp_path):
    def endless():
        number = 0
        while True:
            yield Record(f"test/{number}", f"{PROSE} Number {number}.", "test", "MIT")
            number += 1

    shards = prepare_tokens(endless(), Tokenizer([]), tmp_path, most=10_000)
    assert 10_000 <= shards.lengths.sum() < 10_000 + shards.lengths.max()


def test_own_text_is_a_file_or_a_folder_and_brings_its_tokenizer(tmp_path):
    folder = tmp_path / "text"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        (folder / name / "README.md").write_text(f"{PROSE * 3} This is {name}.")
    (folder / "more.jsonl").write_text('{"text": "One line of text."}\n{"text": 3}\n')
    (folder / "picture.png").write_bytes(b"no text")
    ids = [record.id for record in source(f"files:{folder}")]
    assert ids == [
        "files/a/README.md/README.md:1",
        "files/b/README.md/README.md:1",
        "files/more.jsonl/more.jsonl:1",
    ]
    shards = prepare_text(folder, tmp_path / "out", 300, dedup=None)
    tokenizer = Tokenizer.load(tmp_path / "out" / "tokenizer.json")
    assert len(shards) == 3 and shards.vocab_size == tokenizer.vocab_size == 300
    assert tokenizer.decode(shards[2].tolist()) == "One line of text."
    account = json.loads((tmp_path / "out" / "account.json").read_text())
    assert (
        account["unreadable"] == {"text is no string": 1, "unknown format": 1}
        and not account["judged"]
    )
    assert len(prepare_text(folder, tmp_path / "once", 300)) == 2, "the two README are near-copies"
    assert len(prepare_text(folder / "more.jsonl", tmp_path / "one", 270)) == 1


def test_own_text_of_which_nothing_is_left_is_refused(tmp_path):
    (tmp_path / "bad.jsonl").write_text('{"text": 3}\n{"text": "Too short."}\n')
    with pytest.raises(ValueError, match="no document is left.*'text is no string': 1.*'too sho"):
        prepare_text(tmp_path / "bad.jsonl", tmp_path / "out", 300, rules=RULES)
    with pytest.raises(ValueError, match="nowhere: no such file or folder"):
        source(f"files:{tmp_path / 'nowhere'}")
    (tmp_path / "blank.txt").write_text("")
    with pytest.raises(ValueError, match="blank.txt: no document is left.*there is no text in it"):
        prepare_text(tmp_path / "blank.txt", tmp_path / "out", 300)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no file of a known format there"):
        source(f"files:{tmp_path / 'empty'}")
