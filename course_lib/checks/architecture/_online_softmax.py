"""The instant check of attention by blocks of keys: the answer first, then the memory it took."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.architecture.memory import PeakMemory
from course_lib.checks._report import CheckReport, Finding, report, run_check

Answer = tuple[Tensor, Tensor]

WHOLE_MATRIX = (
    "The answer is right, but somewhere you made the whole matrix of queries x keys. Work on one "
    "block of keys at a time, and carry only the largest score, the sum and the output along."
)


def online_softmax(fn: Callable[[Tensor, Tensor, Tensor, int], Answer]) -> CheckReport:
    """Check fn(q, k, v, block) -> (output [queries, d_head], log_sum [queries]).

    q is [queries, d_head]; k and v are [keys, d_head]; `block` keys are taken at a time, and the
    last block may be shorter. log_sum is the log of each row's softmax denominator. No mask.
    """
    generator = torch.Generator().manual_seed(0)
    # One block, even blocks, a shorter last block; the last case would overflow without a maximum.
    sizes = [(3, 4, 8, 4, 1.0), (4, 8, 8, 2, 3.0), (5, 11, 4, 3, 3.0), (2, 9, 16, 4, 60.0)]
    cases = [_case(*size, generator) for size in sizes]
    done = run_check("Attention by blocks of keys", fn, cases, _whole, mistakes=MISTAKES)
    return _memory(fn, generator) if done.passed else done


def _case(
    queries: int, keys: int, d_head: int, block: int, spread: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, int]:
    q = spread * torch.randn(queries, d_head, generator=generator)
    k, v = (torch.randn(keys, d_head, generator=generator) for _ in "kv")
    return q, k, v, block


def _whole(q: Tensor, k: Tensor, v: Tensor, block: int) -> Answer:
    """The reference, by the whole matrix."""
    scores = q @ k.T / q.shape[-1] ** 0.5
    return scores.softmax(-1) @ v, scores.logsumexp(-1)


def _memory(fn: Callable, generator: torch.Generator) -> CheckReport:
    """Whether a long row is ever there as a whole."""
    queries, keys, block = 64, 4096, 64
    q, k, v, _ = _case(queries, keys, 4, block, 1.0, generator)
    with PeakMemory() as memory:
        fn(q, k, v, block)
    matrix, copies = 4 * queries * keys, k.nbytes + v.nbytes
    what = f"{queries} queries, {keys:,} keys: at most {memory.peak / 2**10:,.0f} kB alive at once"
    small = memory.peak < matrix / 2 + copies
    detail = "" if small else f"The matrix alone has {matrix / 2**10:,.0f} kB."
    return report("Memory", [Finding(small, what, detail)], None if small else WHOLE_MATRIX)


def _by_blocks(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    block: int,
    *,
    scale: Callable[[int], float] = lambda d_head: d_head**-0.5,
    keep_maximum: bool = True,
    shrink_total: Callable[[Tensor], Tensor] = torch.exp,
    shrink_mixed: Callable[[Tensor], Tensor] = torch.exp,
    drop_rest: bool = False,
    add_maximum: bool = True,
    divide: bool = True,
) -> Answer:
    """Attention by blocks with one thing to get wrong at a time; right by default."""
    largest = torch.full((len(q), 1), float("-inf") if keep_maximum else 0.0)
    total, mixed = torch.zeros(len(q), 1), torch.zeros(len(q), v.shape[1])
    stop = len(k) // block * block if drop_rest else len(k)
    for start in range(0, stop, block):
        scores = q @ k[start : min(start + block, stop)].T * scale(q.shape[1])
        new = torch.maximum(largest, scores.amax(-1, keepdim=True)) if keep_maximum else largest
        weights = torch.exp(scores - new)
        first, change = largest == float("-inf"), largest - new
        total = torch.where(first, 0.0, shrink_total(change) * total)
        mixed = torch.where(first, 0.0, shrink_mixed(change) * mixed)
        total = total + weights.sum(-1, keepdim=True)
        mixed = mixed + weights @ v[start : min(start + block, stop)]
        largest = new
    log_sum = (total.log() + largest if add_maximum else total.log()).squeeze(1)
    return mixed / total if divide else mixed, log_sum


def _mean_of_blocks(q: Tensor, k: Tensor, v: Tensor, block: int) -> Answer:
    parts = [_whole(q, *two, block) for two in zip(k.split(block), v.split(block), strict=True)]
    out = torch.stack([part[0] for part in parts]).mean(0)
    return out, torch.stack([part[1] for part in parts]).logsumexp(0)


def _changed(**change) -> Callable[[Tensor, Tensor, Tensor, int], Answer]:
    return lambda q, k, v, block: _by_blocks(q, k, v, block, **change)


ONLINE_SOFTMAX_MISTAKES = MISTAKES = {
    "Nothing is shrunk when a larger score comes: what you had was relative to the old maximum. "
    "Multiply the sum and the output by exp(old - new).": _changed(
        shrink_total=torch.ones_like, shrink_mixed=torch.ones_like
    ),
    "The sum is shrunk when a larger score comes, the output is not: both were relative to the old "
    "maximum.": _changed(shrink_mixed=torch.ones_like),
    "The output is shrunk when a larger score comes, the sum is not: both were relative to the old "
    "maximum.": _changed(shrink_total=torch.ones_like),
    "You shrink by exp(new - old), which grows. What was there gets smaller against a larger "
    "maximum: exp(old - new).": _changed(
        shrink_total=lambda change: torch.exp(-change),
        shrink_mixed=lambda change: torch.exp(-change),
    ),
    "There is no running maximum: exp overflows where scores are large, and infinity divided by "
    "infinity is NaN.": _changed(keep_maximum=False),
    "The scores are not divided by sqrt(d_head).": _changed(scale=lambda d_head: 1.0),
    "The last block is lost where the number of keys is no multiple of the block.": _changed(
        drop_rest=True
    ),
    "log_sum lacks the maximum: the sum is relative to it, so the log of the denominator is "
    "m + log(l).": _changed(add_maximum=False),
    "The output is never divided by the sum of the weights.": _changed(divide=False),
    "Each block has a softmax of its own, and you average the blocks. Weights must sum to 1 over "
    "all keys together.": _mean_of_blocks,
}
