"""Training on a GPU: tokens a second, model FLOPs utilisation and peak memory, as measured.

    COURSE_PROFILE=gpu python benchmarks/gpu.py

Writes benchmarks/results/<GPU model>.json. Without a GPU it says so and writes nothing.
"""

import datetime
import json
import sys
import time
from pathlib import Path

import torch
from _bench import course_config

from course_lib import profile, runtime
from course_lib.architecture.accounting import training_flops
from course_lib.architecture.model import Decoder
from course_lib.pretraining.optim import AdamW, param_groups
from course_lib.pretraining.train import cross_entropy, document_ids

STEPS, WARMUP, PRODUCT = 30, 5, 8192
RESULTS = Path(__file__).parent / "results"


def bf16_flops(size: int = PRODUCT, rounds: int = 20) -> float:
    """What a large bfloat16 product reaches on this GPU, FLOP a second: the limit we divide by."""
    a, b = (torch.randn(size, size, device="cuda", dtype=torch.bfloat16) for _ in "ab")
    for _ in range(3):
        a @ b
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(rounds):
        a @ b
    torch.cuda.synchronize()
    return 2 * size**3 * rounds / (time.perf_counter() - began)


def measure() -> dict:
    sizes = profile.current()
    config = course_config()
    model = Decoder(config).to(runtime.device())
    forward, optimizer = runtime.compiled(model), AdamW(param_groups(model, 0.1))
    shape = (sizes.pretrain_rows, sizes.seq_len)
    inputs = torch.randint(1, config.vocab_size, shape, device=runtime.device())
    inputs[:, ::40] = 0
    targets, documents = inputs.roll(-1, 1), document_ids(inputs, 0)
    for step in range(WARMUP + STEPS):
        if step == WARMUP:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            began = time.perf_counter()
        with runtime.autocast():
            loss = cross_entropy(forward(inputs, documents=documents), targets)
        model.zero_grad()
        loss.backward()
        optimizer.step()
    torch.cuda.synchronize()
    seconds = (time.perf_counter() - began) / STEPS
    achieved = training_flops(config, inputs.numel(), sizes.seq_len) / seconds
    limit = bf16_flops()
    return {
        "gpu": torch.cuda.get_device_name(),
        "profile": sizes.name,
        "parameters": sum(p.numel() for p in model.parameters()),
        "tokens_per_second": inputs.numel() / seconds,
        "share_of_measured_gemm": achieved / limit,
        "measured_gemm_tflops": limit / 1e12,
        "peak_memory_gb": torch.cuda.max_memory_allocated() / 1e9,
        "torch": torch.__version__,
        "date": datetime.date.today().isoformat(),
    }


if __name__ == "__main__":
    if runtime.device().type != "cuda":
        sys.exit("no GPU: set COURSE_PROFILE=gpu on a machine that has one; nothing was written")
    result = measure()
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{result['gpu'].replace(' ', '-')}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
