"""One step on many ranks: collectives, data parallelism, sharding, their cost, and a launcher."""

from course_lib.distributed.collectives import (
    Transport,
    all_reduce_bytes,
    naive_all_reduce,
    ring_all_gather,
    ring_all_reduce,
    ring_reduce_scatter,
)
from course_lib.distributed.data_parallel import DataParallel
from course_lib.distributed.launch import launch
from course_lib.distributed.sharding import ShardedOptimizer

__all__ = [
    "DataParallel",
    "ShardedOptimizer",
    "Transport",
    "all_reduce_bytes",
    "launch",
    "naive_all_reduce",
    "ring_all_gather",
    "ring_all_reduce",
    "ring_reduce_scatter",
]
