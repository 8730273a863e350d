"""Attention by blocks of keys: one block at a time, and what the blocks before it came to.

The answer never meets all keys: it is handed one block, and what it returns is all that the next
call knows. So an answer that makes the whole matrix can't be written, and nothing has to look for
one.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.checks.exercise import Case, Exercise, Property

State = tuple[Tensor, Tensor]
NextBlock = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], State]


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)

    def case(what: str, *sizes: int, spread: float = 2.0, edge: bool = False) -> Case:
        return Case(what, _case(*sizes, spread, generator), edge)

    return [
        case("the first block: nothing came before", 2, 0, 2, 2),
        case("a second block of two keys", 2, 2, 2, 2),
        case("a larger block, larger heads", 3, 6, 4, 8),
        case("a block of a single key", 4, 5, 1, 4),
        case("scores too large for exp", 2, 4, 3, 4, spread=300.0),
        case("no queries", 0, 3, 2, 4, edge=True),
    ]


def _case(
    queries: int, before: int, keys: int, d_head: int, spread: float, generator: torch.Generator
) -> tuple[Tensor, ...]:
    """q, k, v of a block, and what `before` keys came to: zeros and -inf where there were none."""
    q = spread * torch.randn(queries, d_head, generator=generator)
    k, v = torch.randn(2, before + keys, d_head, generator=generator)
    output, log_sum = torch.zeros(queries, d_head), torch.full((queries,), float("-inf"))
    if before:
        output, log_sum = _whole(q, k[:before], v[:before])
    return q, k[before:], v[before:], output, log_sum


def _whole(q: Tensor, k: Tensor, v: Tensor) -> State:
    """Attention over these keys alone, and the log of each row's denominator."""
    scores = q @ k.T / q.shape[-1] ** 0.5
    return scores.softmax(-1) @ v, scores.logsumexp(-1)


def _joined(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    output: Tensor,
    log_sum: Tensor,
    *,
    scale: float = 1.0,
    share: Callable[[Tensor], Tensor] = torch.exp,
    join: Callable[[Tensor, Tensor], Tensor] = torch.logaddexp,
) -> State:
    """What came before and the block, each with its share of all weights; right by default."""
    mine, mine_sum = _whole(q * scale, k, v)
    total = join(log_sum, mine_sum)
    joined = output * share(log_sum - total)[:, None] + mine * share(mine_sum - total)[:, None]
    return joined, total


def _right(q: Tensor, k: Tensor, v: Tensor, output: Tensor, log_sum: Tensor) -> State:
    return _joined(q, k, v, output, log_sum)


def _by_maximum(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    output: Tensor,
    log_sum: Tensor,
    *,
    keep_maximum: bool = True,
    divide: bool = True,
    add_maximum: bool = True,
) -> State:
    """The same with sums in place of their logs, relative to the largest score."""
    scores = q @ k.T / q.shape[-1] ** 0.5
    largest = torch.maximum(log_sum, scores.amax(-1)) if keep_maximum else torch.zeros_like(log_sum)
    weights, old = torch.exp(scores - largest[:, None]), torch.exp(log_sum - largest)
    total = old + weights.sum(-1)
    mixed = old[:, None] * output + weights @ v
    log_total = total.log() + largest if add_maximum else total.log()
    return mixed / total[:, None] if divide else mixed, log_total


def _with_state(change: Callable[[State, State], State]) -> NextBlock:
    """(what came before, the block alone) -> a wrong way to join them."""
    return lambda q, k, v, output, log_sum: change((output, log_sum), _whole(q, k, v))


def _blocks_fault(answer: NextBlock, seed: int) -> str | None:
    """The blocks of one row in a random order, of random sizes, come to the whole row."""
    generator = torch.Generator().manual_seed(seed)
    q, k, v, output, log_sum = _case(2, 0, 11, 4, 2.0, generator)
    sizes = [1 + int(torch.randint(3, (), generator=generator)), 3, 2]
    sizes.append(11 - sum(sizes))
    blocks = list(zip(k.split(sizes), v.split(sizes), strict=True))
    for at in torch.randperm(4, generator=generator).tolist():
        output, log_sum = answer(q, *blocks[at], output, log_sum)
    want, want_sum = _whole(q, k, v)
    if torch.allclose(output, want, atol=1e-4) and torch.allclose(log_sum, want_sum, atol=1e-4):
        return None
    apart = float((output - want).abs().max())
    return (
        f"11 keys in blocks of {sizes}, in another order: the output is up to {apart:.3g} from "
        f"that of all keys at once; log_sum is {log_sum[0]:.4f}, expected {want_sum[0]:.4f}."
    )


_MISTAKES = {
    "You add the two outputs. Each is a mean of values already: weigh each by its share of all "
    "weights, exp(log_sum - new_log_sum).": _with_state(
        lambda old, new: (old[0] + new[0], torch.logaddexp(old[1], new[1]))
    ),
    "You average the two outputs, as if both had the same share of the weights. Their shares are "
    "exp(log_sum - new_log_sum), for each query.": _with_state(
        lambda old, new: ((old[0] + new[0]) / 2, torch.logaddexp(old[1], new[1]))
    ),
    "What came before is forgotten: that is attention over this block alone.": _with_state(
        lambda old, new: new
    ),
    "What came before is not shrunk: its share of the weights falls when new keys come. Multiply "
    "the old output by exp(log_sum - new_log_sum).": (
        lambda q, k, v, output, log_sum: _unshrunk(q, k, v, output, log_sum)
    ),
    "You weigh by exp(new_log_sum - log_sum), which is more than 1. A share of the weights is "
    "less: exp(log_sum - new_log_sum).": (
        lambda *given: _joined(*given, share=lambda change: torch.exp(-change))
    ),
    "You add logs. The sums behind them add up: log(exp(a) + exp(b)), which is torch.logaddexp.": (
        _with_state(
            lambda old, new: (_mixed(old, new, torch.logaddexp(old[1], new[1])), old[1] + new[1])
        )
    ),
    "There is no maximum: exp overflows where scores are large, and infinity divided by infinity "
    "is NaN. Subtract the largest before exp, or work with logsumexp.": (
        lambda *given: _by_maximum(*given, keep_maximum=False)
    ),
    "The scores are not divided by sqrt(d_head): by sqrt(2) in a head of 2.": (
        lambda q, *rest: _joined(q, *rest, scale=q.shape[-1] ** 0.5)
    ),
    "log_sum lacks the maximum: your sum is relative to it, so the log of the denominator is "
    "log(sum) + maximum.": lambda *given: _by_maximum(*given, add_maximum=False),
    "The output is never divided by the sum of the weights.": (
        lambda *given: _by_maximum(*given, divide=False)
    ),
}


def _mixed(old: State, new: State, total: Tensor) -> Tensor:
    shares = [torch.exp(part[1] - total)[:, None] for part in (old, new)]
    return old[0] * shares[0] + new[0] * shares[1]


def _unshrunk(q: Tensor, k: Tensor, v: Tensor, output: Tensor, log_sum: Tensor) -> State:
    mine, mine_sum = _whole(q, k, v)
    total = torch.logaddexp(log_sum, mine_sum)
    return output + mine * torch.exp(mine_sum - total)[:, None], total


online_softmax = Exercise(
    name="architecture/online_softmax",
    title="Attention by blocks of keys",
    answer="my_next_block",
    kind="build",
    minutes=45,
    points=15,
    cases=_cases,
    reference=_right,
    mistakes=_MISTAKES,
    properties=(Property("blocks in any order come to the whole row", _blocks_fault),),
    forbidden=("scaled_dot_product_attention",),
)
