"""Pipelines: the layers cut into stages, the batch into microbatches, and who does what when.

A stage's work is a list such as ["F0", "F1", "B0", "B1"]: forward and backward passes of the
microbatches, in the order in which the stage takes them up. `simulate` plays the lists of all
stages against each other; what a stage waits is the bubble.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Order = list[str]


def one_f_one_b(stage: int, stages: int, microbatches: int) -> Order:
    """One forward, one backward, as soon as that is possible; backward passes first come, first
    served.

    A stage runs ahead by one microbatch for each stage behind it, then alternates, and takes the
    backward passes that are left at the end. So stage s keeps the activations of at most p - s
    microbatches, however many there are. Source: Narayanan et al. 2021 (Megatron-LM), section 2.2.
    """
    _check(stage, stages, microbatches)
    ahead = min(stages - stage - 1, microbatches)
    order = [f"F{i}" for i in range(ahead)]
    for i in range(microbatches - ahead):
        order += [f"F{i + ahead}", f"B{i}"]
    return order + [f"B{i}" for i in range(microbatches - ahead, microbatches)]


def gpipe(stage: int, stages: int, microbatches: int) -> Order:
    """All forward passes, then all backward passes: as long a wait, and every activation kept.

    Source: Huang et al. 2019, section 2.3.
    """
    _check(stage, stages, microbatches)
    return [f"{kind}{i}" for kind in "FB" for i in range(microbatches)]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One pass on one stage, from when to when."""

    stage: int
    name: str
    start: float
    end: float


def simulate(
    orders: Sequence[Sequence[str]], forward: float = 1.0, backward: float = 2.0
) -> list[Task]:
    """When every pass runs. F of a stage needs that of the stage before; B that of the one behind.

    The last stage's B needs its own F. Sending takes no time. Raises ValueError where the orders
    wait for each other for ever.
    """
    ended: dict[tuple[int, str], float] = {}
    clock, at = [0.0] * len(orders), [0] * len(orders)
    done = []
    while any(at[s] < len(order) for s, order in enumerate(orders)):
        moved = False
        for stage, order in enumerate(orders):
            while at[stage] < len(order):
                name = order[at[stage]]
                needs = _needs(stage, name, len(orders))
                if any(need not in ended for need in needs):
                    break
                start = max([clock[stage], *(ended[need] for need in needs)])
                end = start + (forward if name[0] == "F" else backward)
                ended[stage, name] = clock[stage] = end
                done.append(Task(stage=stage, name=name, start=start, end=end))
                at[stage], moved = at[stage] + 1, True
        if not moved:
            stuck = [
                f"stage {s} at {o[i]}"
                for s, (o, i) in enumerate(zip(orders, at, strict=True))
                if i < len(o)
            ]
            raise ValueError(f"the stages wait for each other: {', '.join(stuck)}")
    return done


def bubble(tasks: Sequence[Task]) -> float:
    """The share of all stages' time in which they wait, from the first start to the last end."""
    stages = 1 + max(task.stage for task in tasks)
    busy = sum(task.end - task.start for task in tasks)
    return 1 - busy / (stages * max(task.end for task in tasks))


def most_held(order: Sequence[str]) -> int:
    """The most microbatches whose activations a stage keeps at once: forward done, backward not."""
    held = most = 0
    for name in order:
        held += 1 if name[0] == "F" else -1
        most = max(most, held)
    return most


def schedule(rule: Callable[[int, int, int], Order], stages: int, microbatches: int) -> list[Order]:
    """The orders of all stages under one rule."""
    return [rule(stage, stages, microbatches) for stage in range(stages)]


def _needs(stage: int, name: str, stages: int) -> list[tuple[int, str]]:
    kind, microbatch = name[0], name[1:]
    if kind == "F":
        return [(stage - 1, name)] if stage else []
    own = (stage, f"F{microbatch}")
    return [own, (stage + 1, name)] if stage < stages - 1 else [own]


def _check(stage: int, stages: int, microbatches: int) -> None:
    if not 0 <= stage < stages:
        raise ValueError(f"stage={stage}: expected one of 0 to {stages - 1}")
    if microbatches < 1:
        raise ValueError(f"microbatches={microbatches}: expected at least 1")
