"""Bad shapes are refused with the tensor's name, its shape and what was expected.

In a process of its own, without the type checker of the tests, which would speak first.
"""

import os
import subprocess
import sys

SCRIPT = """
import torch
from course_lib.architecture.flash.tiled import flash_attention
from course_lib.architecture.attention.latent import LatentAttention
from course_lib.architecture.ops import rope_tables
from course_lib.architecture.attention.sinks import sink_softmax

z = torch.zeros
layer = LatentAttention(20, 3, kv_rank=4, d_nope=6, d_rope=4, d_value=5, norm_eps=1e-6, layer=0)
calls = [
    lambda: flash_attention(z(2, 5, 4), z(1, 2, 5, 4), z(1, 2, 5, 4)),
    lambda: flash_attention(z(1, 4, 5, 8), z(1, 2, 5, 6), z(1, 2, 5, 6)),
    lambda: flash_attention(z(1, 4, 5, 8), z(1, 2, 0, 8), z(1, 2, 0, 8)),
    lambda: flash_attention(z(1, 4, 5, 8), z(1, 2, 5, 8), z(1, 2, 6, 8)),
    lambda: flash_attention(z(1, 4, 5, 8), z(1, 3, 5, 8), z(1, 3, 5, 8)),
    lambda: sink_softmax(z(1, 2, 3, 3), z(3)),
    lambda: layer(z(1, 3, 19), *rope_tables(3, 4), None),
    lambda: layer(z(1, 3, 20), *rope_tables(3, 8), None),
]
for call in calls:
    try:
        call()
    except ValueError as error:
        print(error)
    else:
        print("no error")
"""
SAID = """\
flash: q has shape (2, 5, 4), expected (batch, n_heads, queries, d_head)
flash: k has shape (1, 2, 5, 6), expected (batch, n_kv_heads, keys, d_head) with the batch and \
d_head of q (1, 4, 5, 8), and at least one key
flash: k has shape (1, 2, 0, 8), expected (batch, n_kv_heads, keys, d_head) with the batch and \
d_head of q (1, 4, 5, 8), and at least one key
flash: v has shape (1, 2, 6, 8), expected that of k, (1, 2, 5, 8)
flash: k has 3 heads (1, 3, 5, 8), expected a divisor of the 4 heads of q (1, 4, 5, 8)
sink_softmax: sink has shape (3,), expected (2,), one number for each head of scores (1, 2, 3, 3)
LatentAttention: x has shape (1, 3, 19), expected (batch, seq, 20)
LatentAttention: cos has shape (3, 4), expected a last axis of 2, half of d_rope 4
"""


def test_messages():
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == SAID
