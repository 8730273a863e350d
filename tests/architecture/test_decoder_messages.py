"""Bad shapes are refused with the tensor's name, its shape and what was expected.

In a process of its own, without the type checker of the tests, which would speak first.
"""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import torch
from course_lib.architecture.attention.dot_product import GrowingCache, plain_attention
from course_lib.architecture.attention.masks import causal_mask
from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.ops import layer_norm, rms_norm, rope, rope_tables, swiglu
from course_lib.architecture.sampling.filters import Filters
from course_lib.architecture.sampling.generate import generate

m = Decoder(ModelConfig(vocab_size=9, d_model=16, n_layers=1, max_seq=8))
x = torch.zeros(2, 5, dtype=torch.long)
z = torch.zeros
filled = GrowingCache()
m(x, cache=filled)
calls = [
    lambda: m(x[0]),
    lambda: m(x.float()),
    lambda: m(z(1, 9, dtype=torch.long)),
    lambda: m(x, documents=x[:, :3]),
    lambda: m(x, positions=x[:1]),
    lambda: m(x, mask=z(2, 5, 4, dtype=torch.bool)),
    lambda: m(x[:, :1], cache=filled, documents=x[:, :1]),
    lambda: m(x, cache=filled),
    lambda: rms_norm(z(2, 3), z(4)),
    lambda: layer_norm(z(2, 3), z(4)),
    lambda: rope(z(2, 6), *rope_tables(2, 4)),
    lambda: rope_tables(2, 3),
    lambda: swiglu(z(2), z(3)),
    lambda: plain_attention(z(1, 4, 2, 8), z(1, 3, 2, 8), z(1, 3, 2, 8)),
    lambda: plain_attention(z(1, 4, 2, 8), z(1, 2, 2, 6), z(1, 2, 2, 6)),
    lambda: causal_mask(3, 2),
    lambda: generate(m, [[1], []], max_new_tokens=1),
    lambda: generate(m, [[1, 2]], max_new_tokens=7),
    lambda: generate(m, [[1, 2]], max_new_tokens=1, filters=Filters(temperature=-1.0)),
]
for call in calls:
    try:
        call()
        print("accepted")
    except ValueError as error:
        print(error)
"""

WANTED = [
    "tokens have shape (5,) and dtype torch.int64, expected integers of shape (batch, seq)",
    "tokens have shape (2, 5) and dtype torch.float32",
    "tokens have shape (1, 9) after 0 cached ones, expected at most max_seq = 8",
    "documents have shape (2, 3), expected that of tokens, (2, 5)",
    "positions have shape (1, 5), expected that of tokens, (2, 5)",
    "mask has shape (2, 5, 4), expected (2, 5, 5)",
    "documents with a cache that holds 5 tokens",
    "tokens have shape (2, 5) after 5 cached ones, expected at most max_seq = 8",
    "rms_norm: weight has shape (4,), expected (3,), the last axis of x (2, 3)",
    "layer_norm: weight has shape (4,), expected (3,), the last axis of x (2, 3)",
    "cos has shape (2, 2), expected a last axis of 3, half of the last axis of x (2, 6)",
    "rope_rates: the size is 3, expected an even number of at least 2",
    "up has shape (3,), expected that of gate, (2,)",
    "k has 3 heads (1, 3, 2, 8), expected a divisor of the 4 heads of q",
    "k has shape (1, 2, 2, 6), expected (batch, n_kv_heads, keys, d_head)",
    "n_keys is 2, expected n_queries 3 or more",
    "prompts: 2 given, of which [1] are empty",
    "max_new_tokens is 7, expected 1 to 6: the longest prompt has 2 tokens and max_seq is 8",
    "temperature is -1.0, expected 0 (greedy) or more",
]


@pytest.fixture(scope="module")
def said() -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=os.environ, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_every_bad_call_is_refused(said):
    assert len(said) == len(WANTED)


@pytest.mark.parametrize("i", range(len(WANTED)), ids=lambda i: WANTED[i][:40])
def test_the_message_names_value_and_expectation(said, i):
    assert WANTED[i] in said[i]
