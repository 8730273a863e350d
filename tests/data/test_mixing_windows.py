"""Random windows: the same from a tensor and from shards, by the step alone, on any ranks."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.data.mixing.shards import write_shards
from course_lib.data.mixing.windows import TokenStream, random_windows

EOS = 0


def documents():
    draw = np.random.default_rng(0)
    return [draw.integers(1, 300, draw.integers(1, 40)).tolist() for _ in range(30)]


FLAT = torch.tensor([i for ids in documents() for i in [EOS, *ids]] + [EOS])


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    return TokenStream(write_shards(documents(), folder, 300, EOS, shard_tokens=100))


@given(st.integers(0, len(FLAT)), st.integers(0, len(FLAT)))
def test_a_stream_on_disk_is_the_documents_between_their_ends(stream, first, stop):
    assert len(stream) == len(FLAT)
    assert torch.equal(stream[first:stop], FLAT[first:stop])


def test_windows_are_drawn_from_seed_and_step(stream):
    def at(step, source=stream, **more):
        return random_windows(source, step, seq_len=8, batch_size=6, **more)

    inputs, targets = at(3, seed=1)
    assert inputs.shape == (6, 8) and torch.equal(inputs[:, 1:], targets[:, :-1])
    assert torch.equal(inputs, at(3, FLAT, seed=1)[0]), "on disk and in memory"
    assert not torch.equal(inputs, at(4, seed=1)[0]) and not torch.equal(inputs, at(3)[0])
    parts = [at(3, seed=1, rank=rank, world_size=3)[1] for rank in range(3)]
    assert torch.equal(torch.stack(parts, 1).flatten(0, 1), targets)


def test_refusals_name_what_is_wrong(stream):
    with pytest.raises(ValueError, match="world_size=4 and batch_size=6: expected"):
        random_windows(stream, 0, seq_len=8, batch_size=6, world_size=4)
    with pytest.raises(ValueError, match="the stream has 5 tokens: a window takes 9"):
        random_windows(FLAT[:5], 0, seq_len=8, batch_size=6)
    with pytest.raises(ValueError, match="with a step of 1"):
        stream[::2]
