"""A GPT-2-class model on one GPU: tokens a second, utilisation and memory, as measured.

    COURSE_PROFILE=gpu python benchmarks/gpu.py            # writes benchmarks/results/<GPU>.json
    python benchmarks/gpu.py --rehearse                    # the same code, tiny, on any machine

Four ways to take the same step (T = 1024, GPT-2's vocabulary, bfloat16, AdamW): our plain path
compiled, the fast path, the fast path with all logits at once, and a compiled model of nanoGPT's
shape. Interleaved, with the spread; the limits are a large bfloat16 product measured in the same
run, and the data sheet's peak. The goals: at least 50 % of the peak, 1.2 x the nanoGPT shape, and
60 % less peak memory of the loss by making the logits in pieces. No figure of a GPU has been
measured with it yet.
"""

import argparse
import datetime
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from course_lib import profile, runtime
from course_lib.architecture.accounting.formulas import count_parameters, training_flops
from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.pretraining.loss import cross_entropy
from course_lib.pretraining.optimizers.adamw import param_groups
from course_lib.pretraining.speed.fast import FastConfig, fast_config, fast_loss_of, gradients
from course_lib.pretraining.speed.peers import NanoGPTShaped, Shape
from course_lib.scaling.planning.plan import HARDWARE

RESULTS = Path(__file__).parent / "results"
Step = Callable[[], object]


def shape_of(rehearse: bool) -> Shape:
    """The smallest GPT-2: 124 million weights in nanoGPT's shape. A rehearsal is tiny."""
    if rehearse:
        return Shape("rehearsal", 32, 2, 2, 32, 128, 4)
    return Shape("GPT-2 124M", 768, 12, 12, 1024, 50_304, 32)


def config_of(shape: Shape) -> ModelConfig:
    """The course's decoder of that shape: as many heads, a gated block of about as many weights."""
    return ModelConfig(
        vocab_size=shape.vocab,
        d_model=shape.d_model,
        n_layers=shape.n_layers,
        n_heads=shape.n_heads,
        n_kv_heads=shape.n_heads,
        d_ff=shape.d_gated,
        max_seq=shape.seq,
    )


def bf16_flops(size: int, rounds: int = 20) -> float:
    """What a large bfloat16 product reaches on this device, FLOP a second."""
    where = runtime.device()
    a, b = (torch.randn(size, size, device=where, dtype=torch.bfloat16) for _ in "ab")
    for _ in range(3):
        a @ b
    runtime.synchronize()
    began = time.perf_counter()
    for _ in range(rounds):
        a @ b
    runtime.synchronize()
    return 2 * size**3 * rounds / (time.perf_counter() - began)


def steps(shape: Shape, compiled: bool) -> dict[str, Callable[[], Step]]:
    """By name, how to set up a step. One at a time: they shall not share the memory."""
    where, config = runtime.device(), config_of(shape)
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randint(1, shape.vocab, (shape.batch, shape.seq), generator=generator).to(where)
    targets = inputs.roll(-1, 1)
    fast = replace(fast_config(where, shape.vocab), compile=compiled, dtype=torch.bfloat16)

    def moved(model: torch.nn.Module, backward: Step) -> Step:
        adam = torch.optim.AdamW(param_groups(model, 0.1), lr=1e-4, fused=True)

        def step() -> None:
            adam.zero_grad()
            backward()
            adam.step()

        return step

    def plain(model: torch.nn.Module, loss_of: Step) -> Step:
        def backward() -> None:
            with torch.autocast(where.type, torch.bfloat16):
                loss = loss_of()
            loss.backward()

        return moved(model, backward)

    def ours_plain() -> Step:
        model = Decoder(config).to(where)
        forward = torch.compile(model, dynamic=False) if compiled else model
        return plain(model, lambda: cross_entropy(forward(inputs), targets))

    def ours_fast(arranged: FastConfig) -> Step:
        model = Decoder(config).to(where)
        loss_of = fast_loss_of(model, arranged)
        return moved(model, lambda: gradients(loss_of, arranged, inputs, targets))

    def nano() -> Step:
        model = NanoGPTShaped(shape).to(where)
        forward = torch.compile(model, dynamic=False) if compiled else model
        return plain(model, lambda: forward(inputs, targets))

    return {
        "fast path": lambda: ours_fast(fast),
        "fast path, all logits at once": lambda: ours_fast(replace(fast, head_rows=0)),
        "plain path": ours_plain,
        "nanoGPT-shaped": nano,
    }


def time_steps(setups: dict[str, Callable[[], Step]], rounds: int, each: int) -> dict[str, dict]:
    """Seconds a step: the median of ``rounds`` turns of ``each`` steps, with the spread.

    All are set up together and take turns, so that a clock that drifts drifts for all.
    """
    ready = {name: setup() for name, setup in setups.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ready}
    for turn in range(rounds + 1):
        for name, step in ready.items():
            runtime.synchronize()
            began = time.perf_counter()
            for _ in range(each):
                step()
            runtime.synchronize()
            if turn:  # the first turn compiles
                seconds[name].append((time.perf_counter() - began) / each)
    return {
        name: {"seconds": statistics.median(s), "least": min(s), "most": max(s)}
        for name, s in seconds.items()
    }


def peak_memory(setup: Callable[[], Step]) -> dict[str, float] | None:
    """Bytes at the peak of a step, and what was held before it (weights and moments)."""
    if not runtime.on_gpu():
        return None
    step = setup()
    for _ in range(2):
        step()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    held = torch.cuda.memory_allocated()
    step()
    torch.cuda.synchronize()
    return {"held": held, "peak": torch.cuda.max_memory_allocated()}


def measure(shape: Shape, rehearse: bool) -> dict:
    """All figures, JSON-ready, with what they are divided by."""
    setups, config = steps(shape, compiled=not rehearse), config_of(shape)
    flops = training_flops(config, shape.tokens, shape.seq)
    found = time_steps(setups, rounds=2 if rehearse else 7, each=1 if rehearse else 5)
    limit = bf16_flops(256 if rehearse else 8192)
    gpu = torch.cuda.get_device_name() if runtime.on_gpu() else "none"
    sheet = next((h for name, h in HARDWARE.items() if name in gpu), None)
    for row in found.values():
        row["tokens_per_second"] = shape.tokens / row["seconds"]
    for name in ("fast path", "fast path, all logits at once", "plain path"):
        row = found[name]
        row["share_of_measured_gemm"] = flops / row["seconds"] / limit
        row["mfu"] = flops / row["seconds"] / sheet.peak if sheet else None
    fast = found["fast path"]["seconds"]
    return {
        "gpu": gpu,
        "shape": shape.name,
        "parameters": count_parameters(config).total,
        "ways": found,
        "measured_gemm_tflops": limit / 1e12,
        "sheet_peak_tflops": sheet.peak / 1e12 if sheet else None,
        "fast_over_nanogpt_shaped": found["nanoGPT-shaped"]["seconds"] / fast,
        "pieces_over_all_logits": found["fast path, all logits at once"]["seconds"] / fast,
        "torch": torch.__version__,
        "date": datetime.date.today().isoformat(),
    }


def measure_memory(shape: Shape) -> dict:
    """Peak memory of a step above what is held, by way. Run before the timing: each alone."""
    found = {}
    for name, setup in steps(shape, compiled=runtime.on_gpu()).items():
        found[name] = peak_memory(setup)
        if runtime.on_gpu():
            torch.cuda.empty_cache()
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rehearse", action="store_true", help="tiny, on any machine, no file")
    rehearse = parser.parse_args().rehearse
    if not rehearse and not runtime.on_gpu():
        sys.exit("no GPU: set COURSE_PROFILE=gpu on a machine that has one; nothing was written")
    shape = shape_of(rehearse)
    memory = measure_memory(shape)
    result = {"profile": profile.current().name, **measure(shape, rehearse), "memory": memory}
    print(json.dumps(result, indent=1))
    if not rehearse:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{result['gpu'].replace(' ', '-')}.json"
        path.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
