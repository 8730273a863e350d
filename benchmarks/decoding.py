"""Writing 100 tokens, one answer at a time: our cache beside none, int8 weights, and transformers.

    python benchmarks/decoding.py

All write the same greedy tokens of the same weights, in float32 but for int8.
"""

import statistics

import torch
from _bench import course_config, interleave, show

from course_lib import profile
from course_lib.architecture.decoder import Decoder
from course_lib.architecture.families.interop import to_llama
from course_lib.deployment.kv_cache import decode_cached, decode_naive
from course_lib.deployment.quantize import quantize_model, size_bytes

TOKENS, PROMPT = 100, list(range(10, 50))

torch.set_num_threads(1)
sizes = profile.current()
config = course_config()
ours = Decoder(config, generator=torch.Generator().manual_seed(0)).eval()
small, llama = quantize_model(ours), to_llama(ours)


def theirs() -> torch.Tensor:
    return llama.generate(
        torch.tensor([PROMPT]),
        max_new_tokens=TOKENS,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )


assert list(decode_cached(ours, PROMPT, TOKENS)) == theirs()[0, len(PROMPT) :].tolist()
seconds = interleave(
    {
        "course_lib, cache": lambda: list(decode_cached(ours, PROMPT, TOKENS)),
        "course_lib, no cache": lambda: list(decode_naive(ours, PROMPT, TOKENS)),
        "course_lib, int8 weights": lambda: list(decode_cached(small, PROMPT, TOKENS)),
        "transformers generate": theirs,
    },
    rounds=5,
    warmup=1,
)
show(f"{TOKENS} tokens after {len(PROMPT)}, batch 1, {sizes.name} profile, one thread", seconds)
speed = TOKENS / statistics.median(seconds["course_lib, cache"])
block = torch.randn(64 * 2**20)  # 256 MB, more than a cache holds
reading = statistics.median(interleave({"read": block.sum}, rounds=5)["read"])
bound = block.nbytes / reading / size_bytes(ours)
print(f"  {speed:.0f} tokens a CPU-second; reading the weights from memory allows {bound:.0f}")
