"""One training step, forward and backward: the fast path beside its peers, at shapes S and M.

    python benchmarks/train_speed.py --shape S
    python benchmarks/train_speed.py --shape M --rounds 9
    python benchmarks/train_speed.py --shape S --threads 2        # wall clock of a quiet machine

All take the same tokens, interleaved in one process. A peer runs as its project runs it (eager) and
compiled; the faster counts. Number format: bfloat16 by autocast where the CPU has instructions for
it, else float32; `--dtype` asks for one. "allocator" says whose pages glibc keeps: ours alone (the
peers as their users run them), or everybody's. The limit beside the ratios: the FLOPs of ours over
the rate of one 1024-wide product in the same run.
"""

import argparse
import ctypes
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext

import _bench
import torch
from _peers import PEERS, SHAPES
from torch import Tensor, nn

from course_lib.architecture.accounting.formulas import count_parameters
from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.pretraining.loss import cross_entropy
from course_lib.pretraining.speed.fast import (
    FastConfig,
    fast_loss_of,
    gradients,
    keep_pages,
    native_format,
)
from course_lib.pretraining.speed.peers import Shape

OURS = {"fast, ReLU²": "relu2", "fast, Llama": "swiglu"}
Step = Callable[[], Tensor]


def decoder(shape: Shape, mlp: str) -> Decoder:
    """Ours at this shape: Llama's choices, or nanochat's; weights of a block are as many."""
    torch.manual_seed(0)
    return Decoder(
        ModelConfig(
            vocab_size=shape.vocab,
            d_model=shape.d_model,
            n_layers=shape.n_layers,
            n_heads=shape.n_heads,
            n_kv_heads=shape.n_heads,
            max_seq=shape.seq,
            mlp=mlp,
            d_ff=shape.d_gated if mlp == "swiglu" else 4 * shape.d_model,
            qk_norm=mlp == "relu2",
        )
    )


def flops(shape: Shape) -> float:
    """Of a step's matrix products, with the whole square of scores, three times forward's."""
    config = decoder(shape, "swiglu").config
    n = count_parameters(config)
    weights = n.attention + n.mlp + shape.vocab * shape.d_model
    scores = 2 * shape.seq * shape.d_model * shape.n_layers
    return 3 * 2 * shape.tokens * (weights + scores)


def use_allocator(kept: bool) -> None:
    """Keep pages, or go back to what glibc's own adaptation reaches in a long run (32 MB)."""
    if kept:
        keep_pages()
        return
    libc = ctypes.CDLL(None)
    for name, value in ((-4, 65_536), (-3, 32 * 2**20), (-1, 64 * 2**20), (-2, 0)):
        libc.mallopt(name, value)
    libc.malloc_trim(0)


def our_step(model: Decoder, fast: FastConfig, batch: tuple[Tensor, Tensor]) -> Step:
    loss_of = fast_loss_of(model, fast)

    def step() -> Tensor:
        model.zero_grad()
        return gradients(loss_of, fast, *batch)

    return step


def peer_step(
    model: nn.Module, dtype: torch.dtype, batch: tuple[Tensor, Tensor], compiled: bool
) -> Step:
    forward = torch.compile(model, dynamic=False) if compiled else model
    mixed = dtype == torch.bfloat16

    def step() -> Tensor:
        model.zero_grad()
        with torch.autocast("cpu", dtype) if mixed else nullcontext():
            loss = forward(*batch)
        loss.backward()
        return loss

    return step


def contestants(shape: Shape, dtype: torch.dtype, args, batch) -> dict[str, Step]:
    """Ours first, then every peer that can be imported, eager and compiled."""
    fast = FastConfig(
        dtype=dtype, micro_tokens=args.micro, query_blocks=args.blocks, head_rows=args.head_rows
    )
    steps = {}
    for name, mlp in OURS.items():
        model = decoder(shape, mlp)
        steps[name] = our_step(model, fast, batch)
        plain = cross_entropy(model(batch[0]), batch[1]).item()
        apart = abs(steps[name]().item() - plain)
        print(f"{name}: its loss differs from the plain path's by {apart:.1e}", flush=True)
        if apart > (1e-4 if dtype == torch.float32 else 0.05):
            raise ValueError(f"{name}: loss differs from the plain path's by {apart}")
    for name in args.peers.split(",") if args.peers else PEERS:
        for compiled in (False, True):
            torch.manual_seed(0)
            label = name + (", compiled" if compiled else "")
            try:
                step = peer_step(PEERS[name](shape), dtype, batch, compiled)
                step()
            except Exception as error:  # a peer that can't run here is skipped by name
                print(f"{label}: left out, {type(error).__name__}: {str(error)[:90]}", flush=True)
                continue
            steps[label] = step
    return steps


def with_allocator(name: str, step: Step, theirs_too: bool) -> Callable[[], None]:
    """The step under its own allocator's habits, once unmeasured where they change."""
    ours = name in OURS

    def call() -> None:
        if not theirs_too:
            use_allocator(ours)
            step()  # what the change of habits costs is paid here
        began = clock()
        step()
        taken[name].append(clock() - began)

    return call


def measure(steps: dict[str, Step], rounds: int, size: int, theirs_too: bool) -> dict[str, float]:
    """Seconds of each, in turn, and the machine's product beside them; prints the table."""
    taken.clear()
    use_allocator(True)
    a, b = torch.randn(size, size), torch.randn(size, size)
    a16, b16 = a.bfloat16(), b.bfloat16()
    extra: dict[str, Step] = {
        f"product {size}, fp32": lambda: a @ b,
        f"product {size}, bf16": lambda: a16 @ b16,
    }
    calls = {}
    for name, step in {**steps, **extra}.items():
        taken[name] = []
        calls[name] = with_allocator(name, step, theirs_too)
    for _ in range(rounds):
        for call in calls.values():
            call()
    _bench.show(
        f"allocator: {'everybody keeps pages' if theirs_too else 'ours alone keeps pages'}",
        {name: taken[name] for name in steps},
    )
    return {name: statistics.median(values) for name, values in taken.items()}


taken: dict[str, list[float]] = {}
clock = time.process_time


def main() -> None:
    global clock
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", choices=SHAPES, default="S")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1, help="2: wall clock, on a quiet machine")
    parser.add_argument("--dtype", choices=("auto", "fp32", "bf16"), default="auto")
    parser.add_argument("--micro", type=int, default=1024)
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--head-rows", type=int, default=512)
    parser.add_argument("--peers", default="", help="by default all")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    clock = time.process_time if args.threads == 1 else time.perf_counter
    native = native_format()
    dtype = {"auto": native, "fp32": torch.float32, "bf16": torch.bfloat16}[args.dtype]
    has = "multiplies bf16 itself" if native == torch.bfloat16 else "emulates bf16"
    shape = SHAPES[args.shape]
    print(
        f"shape {shape.name}: {shape.tokens} tokens, {dtype}, {args.threads} thread(s); "
        f"this CPU {has}",
        flush=True,
    )
    torch.manual_seed(1)
    tokens = torch.randint(0, shape.vocab, (shape.batch, shape.seq + 1))
    batch = (tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous())
    steps = contestants(shape, dtype, args, batch)
    for theirs_too in (False, True):
        report(measure(steps, args.rounds, 1024, theirs_too), shape, dtype)


def report(seconds: dict[str, float], shape: Shape, dtype: torch.dtype) -> None:
    """Ratio to the best peer, and what any arrangement could reach at the product's rate."""
    peers = {name: s for name, s in seconds.items() if name not in OURS and "product" not in name}
    ours = min(OURS, key=seconds.__getitem__)
    best = min(peers, key=peers.__getitem__)
    for name, value in seconds.items():
        if "product" in name:
            print(f"  {name}: {2 * 1024**3 / value / 1e9:.0f} GFLOP a second")
    kind = "bf16" if dtype == torch.bfloat16 else "fp32"
    rate = 2 * 1024**3 / seconds[f"product 1024, {kind}"]
    floor = flops(shape) / rate
    print(f"  best of ours ({ours}) is {peers[best] / seconds[ours]:.2f}x the best peer ({best})")
    print(
        f"  {flops(shape) / 1e9:.1f} GFLOP a step: ours reaches {floor / seconds[ours]:.0%} of "
        f"the product's rate, the peer {floor / peers[best]:.0%}; at 100 % the ratio would be "
        f"{peers[best] / floor:.2f}x",
        flush=True,
    )


if __name__ == "__main__":
    main()
