"""The study of broken runs: its floor is that of the very documents that its rows hold."""

import pytest

from course_lib.data.tokenization.tokenizer import train_bpe
from course_lib.pretraining.monitoring.broken import BrokenConfig
from course_lib.studies.pretraining import broken as study
from course_lib.world import World

WORLD = World()


def lines(split: str, count: int) -> list[dict]:
    documents = WORLD.documents(split, min(count, 120), seed=1)
    return [{"kind": d.kind, "text": d.text, "nats": d.nats} for d in documents]


def test_the_floor_leaves_out_the_documents_that_the_rows_leave_out(monkeypatch):
    tokenizer = train_bpe([line["text"] for line in lines("train", 60)], 400)
    monkeypatch.setattr(study, "_lines", lines)
    monkeypatch.setattr(study.lineage, "tokenizer", lambda: tokenizer)
    config = BrokenConfig(seq_len=64)
    text = study.read(config)
    held_out = lines("validation", study.HELD_OUT)
    ids = tokenizer.encode_batch([line["text"] for line in held_out])
    short = [line["nats"] for line, doc in zip(held_out, ids, strict=True) if len(doc) < 64]
    assert 0 < len(short) < len(held_out)
    assert text.floor == pytest.approx(sum(short) / text.held_out.tokens)
