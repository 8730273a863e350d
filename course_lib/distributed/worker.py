"""What each rank runs: ``torchrun -m course_lib.distributed.worker FOLDER``.

The folder holds ``job.json`` (what to do), ``model/`` (weights and config) and
``batches.safetensors``; rank 0 writes ``p<ranks>.json`` and the final weights of each engine
there. Files are the only way in and out: ranks share no memory with the notebook.
"""

import json
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file

from course_lib.architecture.decoder import load_model
from course_lib.distributed import engines
from course_lib.distributed.collectives import Transport, naive_all_reduce, ring_all_reduce

DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True, kw_only=True)
class Run:
    """One engine of a job, under the name that its results carry."""

    name: str
    engine: str
    dtype: str = "float64"
    by_tokens: bool = True

    def __post_init__(self):
        if self.engine not in engines.ENGINES:
            raise ValueError(f"engine={self.engine!r}: expected one of {list(engines.ENGINES)}")
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype={self.dtype!r}: expected one of {list(DTYPES)}")


def train_run(run: Run, step: engines.StepConfig, folder: Path) -> dict:
    """Build the run's engine on fresh weights, train, save; returns what was measured."""
    model = load_model(folder / "model").to(DTYPES[run.dtype])
    transport = Transport.of_group()
    engine = engines.ENGINES[run.engine](model, transport, step)
    # The first copy of the weights is not part of a step.
    transport.sent_bytes = transport.messages = 0
    tensors = load_file(folder / "batches.safetensors")
    batches = list(zip(tensors["inputs"], tensors["targets"], strict=True))
    dist.barrier()
    began = time.perf_counter()
    steps = engines.run_steps(engine, batches, transport, step.eos_id, by_tokens=run.by_tokens)
    seconds = time.perf_counter() - began
    weights = engines.full_weights(engine.model)
    apart = engines.spread(weights)
    if transport.rank == 0:
        path = folder / f"p{transport.size} {run.name}.safetensors"
        save_file({name: weight.contiguous() for name, weight in weights.items()}, path)
    return {
        "steps": [asdict(step) for step in steps],
        "sent_bytes": _gather(transport.sent_bytes),
        "messages": _gather(transport.messages),
        "optimizer_numbers": _gather(engine.optimizer_numbers()),
        "apart": apart,
        "seconds": seconds,
    }


def _gather(value: int) -> list[int]:
    """The value of every rank, in order."""
    everyone = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, value)
    return everyone


def time_collectives(sizes: list[int], repeats: int) -> list[dict]:
    """Seconds of ring and naive all-reduce by message size: the median of ``repeats``."""
    transport, rows = Transport.of_group(), []
    for n_bytes in sizes:
        flat = torch.ones(n_bytes // 4)
        for name, reduce in (("ring", ring_all_reduce), ("naive", naive_all_reduce)):
            times = []
            for _ in range(repeats + 1):
                dist.barrier()
                began = time.perf_counter()
                reduce(flat, transport)
                times.append(time.perf_counter() - began)
            seconds = statistics.median(times[1:])
            rows.append(
                {"kind": name, "bytes": n_bytes, "ranks": transport.size, "seconds": seconds}
            )
    return rows


def main(folder: Path) -> None:
    """Everything ``job.json`` asks for, on this rank."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    try:
        job = json.loads((folder / "job.json").read_text())
        step = engines.StepConfig(**job["step"])
        runs = [Run(**run) for run in job["runs"]]
        report = {run.name: train_run(run, step, folder) for run in runs}
        timings = time_collectives(job["message_bytes"], job["repeats"])
        if dist.get_rank() == 0:
            path = folder / f"p{dist.get_world_size()}.json"
            path.write_text(json.dumps({"runs": report, "timings": timings}))
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
