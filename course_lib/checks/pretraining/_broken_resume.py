"""Diagnose: a run that leaps at every restart and stops learning from new text."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks.exercise import Case, Exercise, Property
from course_lib.checks.values import close

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8
Batches = list[tuple[Tensor, Tensor]]
State = dict[str, int | Tensor]
LR, WARMUP = 0.05, 8


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)
    draw = int(torch.randint(1, 4, (1,), generator=generator))

    def case(what: str, step: int, steps: int, *sizes: int, fresh=False, edge=False) -> Case:
        state, batches = _state(step, sizes[0], generator), _batches(*sizes, generator)
        if fresh:
            state |= {name: torch.zeros_like(state[name]) for name in ("exp_avg", "exp_avg_sq")}
        return Case(what, (state, batches, steps, LR, WARMUP), edge)

    return [
        case("one step, in the middle of a run", 5 * draw, 1, 2, 4 + 5 * draw, 2),
        case("two steps, in the middle of the warm-up", 2, 2, 4, 5, 6),
        case("three steps, after the warm-up", 20 + draw, 3, 6, 50, 8),
        case("four steps, past the end of the data", 6, 4, 5, 7, 6),
        case("the first steps of all", 0, 3, 4, 5, 6, fresh=True, edge=True),
        case("no step to make", 3, 0, 4, 5, 6, edge=True),
    ]


def _state(step: int, vocab: int, generator: torch.Generator) -> State:
    weight, exp_avg = torch.randn(2, vocab, vocab, generator=generator)
    exp_avg_sq = 0.01 + 0.05 * torch.rand(vocab, vocab, generator=generator)
    return {"step": step, "weight": weight, "exp_avg": 0.1 * exp_avg, "exp_avg_sq": exp_avg_sq}


def _batches(vocab: int, count: int, tokens: int, generator: torch.Generator) -> Batches:
    pairs = torch.randint(vocab, (count, 2, tokens), generator=generator)
    return [(inputs, targets) for inputs, targets in pairs]


def _run(
    state: State,
    batches: Batches,
    steps: int,
    lr: float,
    warmup: int,
    *,
    moments: bool = True,
    place: Callable[[int, int], int] = lambda begun, made: begun + made,
    time: Callable[[int, int], int] = lambda begun, made: begun + made + 1,
    returned: Callable[[int, int], int] = lambda begun, steps: begun + steps,
) -> tuple[State, list[float]]:
    """Adam with a warm-up, from where the state stands; one thing to get wrong at a time."""
    begun, weight = state["step"], state["weight"]
    exp_avg, exp_avg_sq = (state[n] if moments else 0 * state[n] for n in ("exp_avg", "exp_avg_sq"))
    losses = []
    for made in range(steps):
        inputs, targets = batches[place(begun, made) % len(batches)]
        leaf = weight.detach().clone().requires_grad_()
        loss = F.cross_entropy(leaf[inputs], targets)
        (grad,) = torch.autograd.grad(loss, leaf)
        exp_avg = BETA1 * exp_avg + (1 - BETA1) * grad
        exp_avg_sq = BETA2 * exp_avg_sq + (1 - BETA2) * grad**2
        t = time(begun, made)
        step = exp_avg / (1 - BETA1**t) / ((exp_avg_sq / (1 - BETA2**t)).sqrt() + EPS)
        weight = weight - lr * min(1.0, t / warmup) * step
        losses.append(loss.item())
    state = {
        "step": returned(begun, steps),
        "weight": weight,
        "exp_avg": exp_avg,
        "exp_avg_sq": exp_avg_sq,
    }
    return state, losses


def _right(
    state: State, batches: Batches, steps: int, lr: float, warmup: int
) -> tuple[State, list[float]]:
    return _run(state, batches, steps, lr, warmup)


def _wrong(**change) -> Callable:
    return lambda *given: _run(*given, **change)


def _from_the_front(begun: int, made: int) -> int:
    return made


def _restart_matters(answer: Callable, seed: int) -> str | None:
    """Six steps at once, or two and four: the same run."""
    generator = torch.Generator().manual_seed(seed)
    state, batches = _state(7, 4, generator), _batches(4, 9, 6, generator)
    whole, losses = answer(state, batches, 6, LR, WARMUP)
    half, first = answer(state, batches, 2, LR, WARMUP)
    rest, second = answer(half, batches, 4, LR, WARMUP)
    if close(list(first) + list(second), list(losses)) and close(rest, whole):
        return None
    return "Six steps in one go end elsewhere than two steps, a restart and four more."


_MISTAKES = {
    "This is the run as it was found. A restart may lose nothing: go through what `state` holds, "
    "and ask of each part where the function uses it.": _wrong(
        moments=False, place=_from_the_front
    ),
    "The moments survive the restart now. But each segment reads the data from the beginning: the "
    "batch of step s is batches[s % len(batches)], with s counted through all segments.": _wrong(
        place=_from_the_front
    ),
    "The data goes on now, but the moments begin at 0 while t counts on. So nothing corrects them: "
    "the mean square is far too small at first, and the steps far too long.": _wrong(moments=False),
    "You count t from 1 again, so that it fits the empty moments. The leap is gone, but the "
    "warm-up runs anew at every restart, and what the optimizer knew is lost. Keep both.": _wrong(
        moments=False, time=lambda begun, made: made + 1
    ),
    "You keep the moments but count t from 1: the correction then makes a mean that is full "
    "already ten times too large, and the warm-up runs anew.": _wrong(
        time=lambda begun, made: made + 1
    ),
    "The state that you return counts the steps of this segment alone: the next restart believes "
    "that it is younger than it is.": _wrong(returned=lambda begun, steps: steps),
    "The state that you return has the step it began with: the next restart does the same steps "
    "again.": _wrong(returned=lambda begun, steps: begun),
    "The batches are one off: the first step of a run is step 0 and reads batches[0].": _wrong(
        place=lambda begun, made: begun + made + 1
    ),
}

broken_resume = Exercise(
    name="pretraining/broken_resume",
    title="A leap at every restart",
    answer="my_segment",
    kind="diagnose",
    minutes=30,
    points=15,
    cases=_cases,
    reference=_right,
    mistakes=_MISTAKES,
    properties=(Property("a restart changes nothing", _restart_matters),),
    forbidden=("optim", "Adam", "AdamW"),
)
