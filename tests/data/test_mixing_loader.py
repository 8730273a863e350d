"""Shards on disk, and the loader that resumes exactly on any number of ranks."""

import json
from collections import Counter
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.data.mixing.loader import Cursor, LoaderConfig, PackedLoader
from course_lib.data.mixing.packing import IGNORE, Packed, pack
from course_lib.data.mixing.shards import Shards, ShardWriter, write_shards

CONFIG = LoaderConfig(seq_len=16, batch_rows=12, eos_id=0, window=10, seed=3)


def documents(n=57, seed=0):
    draw = np.random.default_rng(seed)
    return [draw.integers(1, 300, draw.integers(1, 40)).tolist() for _ in range(n)]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(documents(), tmp_path_factory.mktemp("shards"), 300, shard_tokens=200)


def test_documents_come_back_from_mapped_files_of_two_bytes_a_token(shards):
    assert [list(d) for d in shards] == documents() and len(shards) == 57
    assert len(shards.index["shards"]) > 3
    assert shards[0].dtype == np.uint16 and isinstance(shards[5].base, np.memmap | np.ndarray)
    tokens = sum(map(len, documents()))
    assert sum(f.stat().st_size for f in shards.folder.glob("*.bin")) == 2 * tokens
    with pytest.raises(IndexError, match="document 57: there are 57"):
        shards[57]


def test_a_large_vocabulary_takes_four_bytes(tmp_path):
    shards = write_shards([[70_000, 5]], tmp_path, 100_000)
    assert shards[0].dtype == np.uint32 and list(shards[0]) == [70_000, 5]


@pytest.mark.parametrize("ids, found", [([], "none"), ([1, 300], "1 to 300"), ([-1], "-1 to -1")])
def test_ids_outside_the_vocabulary_are_refused_before_they_are_written(tmp_path, ids, found):
    with pytest.raises(ValueError, match=f"ids {found}: expected some, 0 to 299"):
        ShardWriter(tmp_path, 300).add(ids)


def test_a_damaged_corpus_is_refused(tmp_path):
    shards = write_shards(documents(5), tmp_path, 300)
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


def global_rows(loader, n):
    return list(islice(loader.rows(), n))


def test_an_epoch_holds_every_token_of_every_document_once(shards):
    loader = PackedLoader(shards, CONFIG)
    seen: Counter = Counter()
    while loader.cursor.epoch == 0:
        for document, start, end in next(loader.rows()):
            seen.update((document, place) for place in range(start, end))
    assert set(seen.values()) == {1}
    assert len(seen) == sum(map(len, documents()))


def test_tensors_are_laid_out_as_pack_does(shards):
    loader = PackedLoader(shards, CONFIG)
    rows = global_rows(loader, 30)
    inputs, targets = loader.tensors(rows)
    for i, row in enumerate(rows):
        pieces = [shards[d][a:b].tolist() for d, a, b in row]
        wanted: Packed = pack(pieces, CONFIG.seq_len, CONFIG.eos_id)
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
    expected = [whole.batch() for _ in range(steps)]
    state, step = None, 0
    for count, world in stops:
        ranks = [PackedLoader(shards, CONFIG, rank=r, world=world) for r in range(world)]
        if state is not None:
            for loader in ranks:
                loader.load_state_dict(json.loads(state))
        for _ in range(count):
            parts = [loader.batch() for loader in ranks]
            for part in (0, 1):
                together = torch.stack([p[part] for p in parts], 1).flatten(0, 1)
                assert torch.equal(together, expected[step][part])
            step += 1
        states = {json.dumps(loader.state_dict()) for loader in ranks}
        assert len(states) == 1, "every rank must save the same state"
        state = states.pop()
    assert len(state) < 250


def test_a_state_stops_in_the_middle_of_a_window_and_of_a_document(shards):
    loader = PackedLoader(shards, CONFIG)
    row = next(r for r in loader.rows() if any(start > 0 for _, start, _ in r))
    assert row and loader.state_dict()["cursor"]["row"] > 0
    other = PackedLoader(shards, CONFIG)
    other.load_state_dict(loader.state_dict())
    assert global_rows(other, 40) == global_rows(loader, 40)


def test_epochs_and_seeds_differ_and_windows_bound_the_mixing(shards):
    first = PackedLoader(shards, CONFIG)
    again = PackedLoader(shards, CONFIG)
    again.cursor = Cursor(epoch=1)
    other = PackedLoader(shards, replace(CONFIG, seed=4))
    sequences = [global_rows(loader, 20) for loader in (first, again, other)]
    assert sequences[0] != sequences[1] and sequences[0] != sequences[2]


def test_refusals_name_what_differs(shards):
    state = PackedLoader(shards, CONFIG).state_dict()
    other = PackedLoader(shards, replace(CONFIG, window=11))
    with pytest.raises(ValueError, match="made with window=10, this loader has 11"):
        other.load_state_dict(state)
    with pytest.raises(ValueError, match="batch_rows=12 can't be shared evenly by 5 ranks"):
        PackedLoader(shards, CONFIG, world=5)
    with pytest.raises(ValueError, match="rank=2 of world=2: expected 0 to 1"):
        PackedLoader(shards, CONFIG, rank=2, world=2)
    with pytest.raises(ValueError, match="seq_len=1 is too small"):
        LoaderConfig(seq_len=1, batch_rows=1, eos_id=0)
    state["cursor"]["window"] = 99
    with pytest.raises(ValueError, match="is outside: an epoch has"):
        PackedLoader(shards, CONFIG).load_state_dict(state)
