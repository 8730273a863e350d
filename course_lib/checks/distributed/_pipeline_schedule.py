"""One forward, one backward: the order in which a pipeline's stage works."""

from collections.abc import Callable
from random import Random

from course_lib.checks.exercise import Case, Exercise, Property
from course_lib.distributed.pipeline import bubble, gpipe, most_held, one_f_one_b, simulate


def _cases(seed: int) -> list[Case]:
    random = Random(seed)
    stages = random.sample(range(3, 9), 4)
    more = [p + random.randint(1, 6) for p in stages]
    few = random.randint(4, 7)
    return [
        Case("the first stage", (0, stages[0], more[0])),
        Case("the last stage", (stages[1] - 1, stages[1], more[1])),
        Case("a stage in between", (random.randint(1, stages[2] - 2), stages[2], more[2])),
        Case("the last but one", (stages[3] - 2, stages[3], more[3])),
        Case("fewer microbatches than stages", (0, few, random.randint(2, few - 2)), edge=True),
        Case("one microbatch", (1, few, 1), edge=True),
        Case("a pipeline of one stage", (0, 1, random.randint(2, 4)), edge=True),
    ]


def _ordered(
    stage: int,
    stages: int,
    microbatches: int,
    *,
    ahead: Callable = lambda stage, stages: stages - stage - 1,
    least: Callable = min,
    last: Callable = lambda left: left,
) -> list[str]:
    """1F1B with one thing to get wrong at a time; right by default."""
    first = least(ahead(stage, stages), microbatches)
    order = [f"F{i}" for i in range(first)]
    for i in range(max(microbatches - first, 0)):
        order += [f"F{i + first}", f"B{i}"]
    done = max(microbatches - first, 0)
    return order + last([f"B{i}" for i in range(done, microbatches)])


def _changed(**change) -> Callable:
    return lambda stage, stages, microbatches: _ordered(stage, stages, microbatches, **change)


def _newest_first(stage: int, stages: int, microbatches: int) -> list[str]:
    """The same rhythm, but the backward pass is that of the latest forward one."""
    order, held = [], []
    for name in one_f_one_b(stage, stages, microbatches):
        if name[0] == "F":
            held.append(name[1:])
        order.append(name if name[0] == "F" else f"B{held.pop()}")
    return order


def _backward_first(stage: int, stages: int, microbatches: int) -> list[str]:
    first = min(stages - stage - 1, microbatches)
    order = [f"F{i}" for i in range(first)]
    for i in range(microbatches - first):
        order += [f"B{i}", f"F{i + first}"]
    return order + [f"B{i}" for i in range(microbatches - first, microbatches)]


_MISTAKES = {
    "That is GPipe: all forward passes, then all backward ones. It keeps the activations of every "
    "microbatch; start a backward pass as soon as one can run.": gpipe,
    "You run ahead by one microbatch too many. Stage s has p - s - 1 stages behind it: so many "
    "forward passes, then F and B in turn.": _changed(ahead=lambda stage, stages: stages - stage),
    "You run ahead by `stage` microbatches. It is the *first* stage that waits longest for its "
    "first backward pass: count the stages behind, stages - stage - 1.": _changed(
        ahead=lambda stage, stages: stage
    ),
    "Every stage of yours runs ahead equally far. The further back, the sooner the backward pass "
    "arrives: stage s runs ahead by stages - s - 1.": _changed(
        ahead=lambda stage, stages: stages - 1
    ),
    "No stage of yours runs ahead: after F0 it waits until that microbatch has gone all the way "
    "and come back, and the others idle meanwhile.": _changed(ahead=lambda stage, stages: 0),
    "Backward passes are missing at the end: those of the microbatches that ran ahead.": _changed(
        last=lambda left: []
    ),
    "Your backward passes take the newest microbatch first. They come back in the order in which "
    "they left: B0, B1, B2 …": _newest_first,
    "You take the backward pass before the forward one. On the last stage that asks for B0 before "
    "F0 has run: first F, then B.": _backward_first,
    "Right, as long as there are microbatches enough. With fewer than the stages behind, a stage "
    "can't run further ahead than there are: min(stages - stage - 1, microbatches).": _changed(
        least=lambda ahead, microbatches: ahead
    ),
}


def _together(answer: Callable, seed: int) -> str | None:
    """The lists of all stages played against each other."""
    random = Random(seed)
    stages, microbatches = random.randint(3, 5), random.randint(6, 9)
    orders = [list(answer(stage, stages, microbatches)) for stage in range(stages)]
    try:
        waits = bubble(simulate(orders))
    except ValueError as stuck:
        return f"{stages} stages, {microbatches} microbatches: {stuck}."
    least = (stages - 1) / (microbatches + stages - 1)
    if waits > least + 1e-9:
        return (
            f"{stages} stages, {microbatches} microbatches: they wait {waits:.0%} of the time, "
            f"and {least:.0%} would do."
        )
    return None


def _memory(answer: Callable, seed: int) -> str | None:
    random = Random(seed)
    stages, microbatches = random.randint(3, 5), random.randint(6, 9)
    for stage in range(stages):
        held = most_held(list(answer(stage, stages, microbatches)))
        if held > stages - stage:
            return (
                f"Stage {stage} of {stages} keeps the activations of {held} microbatches; "
                f"{stages - stage} would do."
            )
    return None


pipeline_schedule = Exercise(
    name="distributed/pipeline_schedule",
    title="One forward, one backward",
    answer="my_order",
    kind="build",
    minutes=30,
    points=10,
    cases=_cases,
    reference=one_f_one_b,
    mistakes=_MISTAKES,
    properties=(
        Property("the stages fit each other, and wait as little as can be", _together),
        Property("no stage keeps more activations than it must", _memory),
    ),
)
