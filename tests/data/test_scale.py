import json
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from course_lib.data.deduplication.deduplicate import DedupConfig
from course_lib.data.deduplication.planted_copies import EDITS, copies
from course_lib.data.extraction.clean import clean
from course_lib.data.mixing.shards import Shards
from course_lib.data.pipeline import prepare
from course_lib.data.records import Record
from course_lib.data.scale import CleanAndJudge, Decide, LeaveOut, Stored, WriteKeys, WriteShards
from course_lib.data.tokenization.tokenizer import Tokenizer


@dataclass
class Doc:
    """As much of datatrove's document as the steps use."""

    text: str
    id: str
    metadata: dict = field(default_factory=dict)


def sources():
    stories = [
        f"In the {i}th year the clerk of the library of {town} counts the books that people "
        f"borrow and those that they have not returned, and writes {i * 7} of them down. "
        f"Then {town} sends a letter to number {i} and waits for an answer."
        for i, town in enumerate(("Aber", "Brun", "Cole", "Dorn", "Esk", "Fal", "Gor"))
    ]
    texts = [text for edit in EDITS for text in copies(stories, edit)] + ["", "\x00", "Too short."]
    return [(f"doc/{i:03}", text) for i, text in enumerate(texts)]


def run_all(folder, tasks):
    config = DedupConfig(threshold=0.6)
    (folder / "texts").mkdir()
    for rank in range(tasks):
        documents = (Doc(text, name) for name, text in sources()[rank::tasks])
        steps = WriteKeys(folder / "keys", config)(
            CleanAndJudge(folder / "reasons")(documents, rank, tasks), rank, tasks
        )
        rows = [(document.id, document.text) for document in steps]
        table = pa.table(
            {"id": [i for i, _ in rows], "text": [t for _, t in rows]},
            schema=pa.schema([("id", pa.string()), ("text", pa.string())]),
        )
        pq.write_table(table, folder / "texts" / f"{rank:05d}.parquet")
    Decide(folder / "keys", folder / "texts", folder / "gone", config)(None, 0, 1)
    for rank in range(tasks):
        rows = pq.read_table(folder / "texts" / f"{rank:05d}.parquet").to_pylist()
        documents = (Doc(row["text"], row["id"]) for row in rows)
        left = LeaveOut(folder / "gone")(documents, rank, tasks)
        list(WriteShards(folder / "shards", Tokenizer([]))(left, rank, tasks))
    return config


@pytest.mark.parametrize("tasks", [1, 3])
def test_the_same_documents_stay_as_in_one_process(tmp_path, tasks):
    config = run_all(tmp_path, tasks)
    ours = prepare([Record(i, text, "test", "MIT") for i, text in sources()], dedup=config)
    kept = [
        i
        for path in sorted(tmp_path.glob("shards/*/ids.json"))
        for i in json.loads(path.read_text())
    ]
    assert sorted(kept) == sorted(record.id for record in ours.kept)
    reasons = [
        json.loads(line)
        for path in tmp_path.glob("reasons/*.jsonl")
        for line in path.read_text().splitlines()
    ]
    removed = [
        json.loads(line) for line in (tmp_path / "gone" / "removed.jsonl").read_text().splitlines()
    ]
    assert len(removed) > 10 and len(reasons) >= 3
    assert len(kept) + len(reasons) + len(removed) == len(sources())
    assert {i for i, *_ in reasons} | {i for i, *_ in removed} == {
        drop.record.id for drop in ours.dropped
    }


def test_a_missing_file_is_noticed_and_texts_come_by_number(tmp_path):
    run_all(tmp_path, 3)
    paths = sorted((tmp_path / "texts").glob("*.parquet"))
    stored = Stored(paths)
    texts = [row["text"] for path in paths for row in pq.read_table(path).to_pylist()]
    assert [stored[i] for i in range(len(stored))] == texts
    assert [stored[i] for i in np.arange(len(stored))[::-1]] == texts[::-1]
    paths[1].unlink()
    with pytest.raises(ValueError, match="texts for .* band keys .* cut short"):
        Decide(tmp_path / "keys", tmp_path / "texts", tmp_path / "gone", DedupConfig())(None, 0, 1)


def test_shards_hold_the_ids_of_the_texts(tmp_path):
    run_all(tmp_path, 1)
    corpus, texts = Shards(tmp_path / "shards" / "00000"), dict(sources())
    ids = json.loads((tmp_path / "shards/00000/ids.json").read_text())
    assert len(corpus) == len(ids) and corpus.eos_id == Tokenizer([]).eos_id
    for name, tokens in zip(ids, corpus, strict=True):
        assert tokens.tolist() == Tokenizer([]).encode(clean(texts[name]).text), "no eos among them"
