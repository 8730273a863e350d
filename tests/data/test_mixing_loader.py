"""Shards on disk, and the loader that resumes exactly on any number of ranks."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.data.mixing.loader import LoaderConfig, PackedLoader
from course_lib.data.mixing.packing import IGNORE, Packed, batch, chunks, pack
from course_lib.data.mixing.shards import Shards, ShardWriter, write_shards, write_tokens
from course_lib.data.tokenization.tokenizer import Tokenizer

CONFIG = LoaderConfig(seq_len=16, batch_size=12, window=10, seed=3)


def documents(n=57, seed=0):
    draw = np.random.default_rng(seed)
    return [draw.integers(1, 300, draw.integers(1, 40)).tolist() for _ in range(n)]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(documents(), tmp_path_factory.mktemp("shards"), 300, 0, shard_tokens=200)


def test_documents_come_back_from_mapped_files_of_two_bytes_a_token(shards):
    assert [list(d) for d in shards] == documents() and len(shards) == 57
    assert len(shards.index["shards"]) > 3
    assert shards[0].dtype == np.uint16 and isinstance(shards[5].base, np.memmap | np.ndarray)
    tokens = sum(map(len, documents()))
    assert sum(f.stat().st_size for f in shards.folder.glob("*.bin")) == 2 * tokens
    with pytest.raises(IndexError, match="document 57: there are 57"):
        shards[57]


def test_a_large_vocabulary_takes_four_bytes(tmp_path):
    shards = write_shards([[70_000, 5]], tmp_path, 100_000, 0)
    assert shards[0].dtype == np.uint32 and list(shards[0]) == [70_000, 5]


@pytest.mark.parametrize("ids, found", [([], "none"), ([1, 300], "1 to 300"), ([-1], "-1 to -1")])
def test_ids_outside_the_vocabulary_are_refused_before_they_are_written(tmp_path, ids, found):
    with pytest.raises(ValueError, match=f"ids {found}: expected some, 0 to 299"):
        ShardWriter(tmp_path, 300, 0).add(ids)


def test_a_damaged_corpus_is_refused(tmp_path):
    shards = write_shards(documents(5), tmp_path, 300, 0)
    path = tmp_path / "00000.bin"
    intact = path.read_bytes()
    path.write_bytes(intact[:-2])
    with pytest.raises(ValueError, match="the index says .* bytes: copy it again"):
        Shards(tmp_path)
    path.write_bytes(bytes([intact[0] ^ 1]) + intact[1:])
    assert len(Shards(tmp_path)) == len(shards)  # the size is right: only a hash can tell
    with pytest.raises(ValueError, match="its sha256 isn't the index's"):
        Shards(tmp_path, verify=True)
    with pytest.raises(ValueError, match="no such file"):
        Shards(tmp_path / "nowhere")


def test_the_index_says_which_token_ends_a_document(tmp_path):
    assert write_shards(documents(5), tmp_path, 300, 7).eos_id == 7
    with pytest.raises(ValueError, match="eos_id=300: expected an id of the vocabulary, below 300"):
        ShardWriter(tmp_path, 300, 300)
    index = json.loads((tmp_path / "index.json").read_text())
    del index["eos_id"]
    (tmp_path / "index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match="it names no eos_id; write these shards again"):
        Shards(tmp_path)


@pytest.mark.parametrize("together", [1, 3, 1000])
def test_texts_become_shards_however_many_are_encoded_together(tmp_path, together):
    tokenizer, texts = Tokenizer([]), ["one", "  ", "two", "", "three", "\n"]
    shards = write_tokens(texts, tokenizer, tmp_path, together=together)
    assert [tokenizer.decode(ids.tolist()) for ids in shards] == ["one", "two", "three"]
    assert (shards.vocab_size, shards.eos_id) == (tokenizer.vocab_size, tokenizer.eos_id)


def test_it_stops_at_the_document_that_fills_it(tmp_path):
    texts = ["abc", "  ", "de", "fgh", "ij"]
    shards = write_tokens(texts, Tokenizer([]), tmp_path, most=7, together=2, shard_tokens=4)
    assert [len(ids) for ids in shards] == [3, 2, 3]
    assert len(shards.index["shards"]) == 2


def test_a_short_corpus_is_refused_and_leaves_no_index(tmp_path):
    with pytest.raises(ValueError, match="hold 3 tokens, 10 were asked for"):
        write_tokens(["abc"], Tokenizer([]), tmp_path, most=10)
    assert not (tmp_path / "index.json").exists()


def global_rows(loader, n, first=0):
    return [loader.row(number) for number in range(first, first + n)]


def first_row(loader, epoch):
    """The number of an epoch's first row; the loader's batches are of one row."""
    return next(n for n in range(1000) if loader.cursor(n)["epoch"] == epoch)


def test_an_epoch_holds_every_token_of_every_document_once(shards):
    loader = PackedLoader(shards, replace(CONFIG, batch_size=1))
    seen: Counter = Counter()
    for document, start, end in (
        piece for n in range(first_row(loader, 1)) for piece in loader.row(n)
    ):
        seen.update((document, place) for place in range(start, end))
    assert set(seen.values()) == {1}
    assert len(seen) == sum(map(len, documents()))


def test_tensors_are_laid_out_as_pack_does(shards):
    loader = PackedLoader(shards, CONFIG)
    rows = global_rows(loader, 30)
    inputs, targets = loader.tensors(rows)
    for i, row in enumerate(rows):
        pieces = [shards[d][a:b].tolist() for d, a, b in row]
        wanted: Packed = pack(pieces, CONFIG.seq_len, shards.eos_id)
        assert Counter(inputs[i].tolist()) == Counter(wanted.inputs[0].tolist())
        assert (targets[i] != IGNORE).sum() == sum(map(len, pieces)) + len(pieces)
        kept = targets[i] != IGNORE
        assert torch.equal(inputs[i][1:][kept[:-1]], targets[i][:-1][kept[:-1]])


@settings(max_examples=40, deadline=None)
@given(
    stops=st.lists(
        st.tuples(st.integers(0, 6), st.sampled_from([1, 2, 3, 4])), min_size=1, max_size=4
    )
)
def test_any_stops_and_any_world_sizes_give_the_one_sequence(shards, stops):
    """Run some steps on some number of ranks, save, go on with another number, and again."""
    whole = PackedLoader(shards, CONFIG)
    steps = sum(n for n, _ in stops)
    expected = [whole.batch_at(s) for s in range(steps)]
    state, step = None, 0
    for count, world in stops:
        ranks = [PackedLoader(shards, CONFIG, rank=r, world_size=world) for r in range(world)]
        if state is not None:
            for loader in ranks:
                loader.load_state_dict(json.loads(state))
        for _ in range(count):
            parts = [loader.batch_at(step) for loader in ranks]
            for part in (0, 1):
                together = torch.stack([p[part] for p in parts], 1).flatten(0, 1)
                assert torch.equal(together, expected[step][part])
            step += 1
        states = {json.dumps(loader.state_dict(step)) for loader in ranks}
        assert len(states) == 1, "every rank must save the same state"
        state = states.pop()
    assert len(state) < 250


def test_a_state_stops_in_the_middle_of_a_window_and_of_a_document(shards):
    loader = PackedLoader(shards, CONFIG)
    steps = range(1, 9)
    step = next(s for s in steps if any(start > 0 for _, start, _ in loader.rows_at(s)[0]))
    state = loader.state_dict(step)
    assert state["cursor"]["row"] > 0
    other = PackedLoader(shards, CONFIG)
    other.load_state_dict(state)
    assert [other.rows_at(s) for s in range(step, 12)] == [
        loader.rows_at(s) for s in range(step, 12)
    ]
    assert other.rows_at(0) == loader.rows_at(0), (
        "a step before the state's is found from the start"
    )


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 25), min_size=1, max_size=6))
def test_a_batch_depends_on_its_step_alone(shards, steps):
    """Asked in any order, again and again, a loader gives what a fresh one gives."""
    asked = PackedLoader(shards, CONFIG)
    for step in steps:
        fresh = PackedLoader(shards, CONFIG).batch_at(step)
        for mine, theirs in zip(asked.batch_at(step), fresh, strict=True):
            assert torch.equal(mine, theirs)


@pytest.mark.parametrize("batch_size, seed", [(1, 0), (6, 0), (7, 3), (64, 1)])
def test_without_windows_it_gives_the_very_batches_of_rows_in_memory(shards, batch_size, seed):
    """The plain version of the page and the lineage's road: pack everything, shuffle the rows."""
    pieces = [piece for ids in documents() for piece in chunks(ids, 15)]
    packed = pack(pieces, 16, shards.eos_id)
    config = LoaderConfig(seq_len=16, batch_size=batch_size, window=None, seed=seed)
    loader = PackedLoader(shards, config)
    for step in (0, 1, 2, 3, 11, 30, 4):
        for mine, plain in zip(
            loader.batch_at(step), batch(packed, step, batch_size, seed), strict=True
        ):
            assert torch.equal(mine, plain)
    state = loader.state_dict(30)
    resumed = PackedLoader(shards, config)
    resumed.load_state_dict(json.loads(json.dumps(state)))
    assert torch.equal(resumed.batch_at(31)[0], batch(packed, 31, batch_size, seed)[0])


def test_the_documents_of_a_step_are_those_in_its_rows(shards):
    loader = PackedLoader(shards, CONFIG, rank=1, world_size=2)
    found = {piece[0] for row in loader.rows_at(3) for piece in row}
    assert loader.documents_at(3) == sorted(found) and len(found) > 3


def test_epochs_and_seeds_differ_and_windows_bound_the_mixing(shards):
    loader = PackedLoader(shards, replace(CONFIG, batch_size=1))
    other = PackedLoader(shards, replace(CONFIG, seed=4))
    rows = global_rows(loader, 20)
    assert rows != global_rows(loader, 20, first_row(loader, 1)) and rows != global_rows(other, 20)


def test_refusals_name_what_differs(shards):
    state = PackedLoader(shards, CONFIG).state_dict(2)
    other = PackedLoader(shards, replace(CONFIG, window=11))
    with pytest.raises(ValueError, match="made with window=10, this loader has 11"):
        other.load_state_dict(state)
    with pytest.raises(ValueError, match="batch_size=12 can't be shared evenly by 5 ranks"):
        PackedLoader(shards, CONFIG, world_size=5)
    with pytest.raises(ValueError, match="rank=2 of world_size=2: expected 0 to 1"):
        PackedLoader(shards, CONFIG, rank=2, world_size=2)
    with pytest.raises(ValueError, match="seq_len=1: expected a whole number"):
        LoaderConfig(seq_len=1, batch_size=1)
    for cursor, wrong in (({"window": 99}, "is outside: an epoch has"), ({"row": 20}, "it has")):
        forged = {**state, "cursor": {**state["cursor"], **cursor}}
        with pytest.raises(ValueError, match=wrong):
            PackedLoader(shards, CONFIG).load_state_dict(forged)
