"""One step on many ranks: collectives, data parallelism, sharding, their cost, and a launcher.

Pages and their code:
    data_parallel: cost, engines, sharding
Shared:
    collectives: collective operations out of single messages
    launch: start ranks from a notebook, and leave nothing running
    local: ranks as threads of one process
    pipeline: who does what when, for the exercise on schedules
    worker: what each rank runs
"""

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
