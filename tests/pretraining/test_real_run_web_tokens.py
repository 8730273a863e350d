"""Texts become shards of just as many tokens as were asked for, in order."""

import pytest

from course_lib.pretraining.real_run.web_tokens import write_tokens


def letters(texts):
    return [[ord(c) - 96 for c in text] for text in texts]


def test_it_stops_at_the_document_that_fills_it(tmp_path):
    texts = ["abc", "  ", "de", "fgh", "ij"]
    shards = write_tokens(texts, letters, 27, tmp_path, most=7, together=2, shard_tokens=4)
    assert [list(map(int, ids)) for ids in shards] == [[1, 2, 3], [4, 5], [6, 7, 8]]
    assert len(shards.index["shards"]) == 2


def test_a_short_corpus_is_refused_and_leaves_no_index(tmp_path):
    with pytest.raises(ValueError, match="hold 3 tokens, 10 were asked for"):
        write_tokens(["abc"], letters, 27, tmp_path, most=10)
    assert not (tmp_path / "index.json").exists()
