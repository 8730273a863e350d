"""Answers to the pipeline's schedule as learners write them: wrong with their hint, and right."""


def in_three_parts(stage, stages, microbatches):
    warm = min(stages - 1 - stage, microbatches)
    order = [f"F{i}" for i in range(warm)]
    for b, f in enumerate(range(warm, microbatches)):
        order.append(f"F{f}")
        order.append(f"B{b}")
    for b in range(microbatches - warm, microbatches):
        order.append(f"B{b}")
    return order


def with_two_counters(stage, stages, microbatches):
    """A forward pass whenever no more than the stages from here on are under way."""
    order, f, b = [], 0, 0
    while b < microbatches:
        if f < microbatches and f - b < stages - stage:
            order.append(f"F{f}")
            f += 1
        else:
            order.append(f"B{b}")
            b += 1
    return order


def by_merging(stage, stages, microbatches):
    """Each backward pass goes where its forward pass is, that many places on."""
    behind = stages - stage - 1
    places = [(2 * i, f"F{i}") for i in range(microbatches)]
    last = microbatches - 1
    places += [
        (2 * min(i + behind, last + i / microbatches) + 1, f"B{i}") for i in range(microbatches)
    ]
    return [name for _, name in sorted(places)]


def forwards_then_backwards(stage, stages, microbatches):
    numbers = range(microbatches)
    return [f"F{i}" for i in numbers] + [f"B{i}" for i in numbers]


def forwards_then_backwards_reversed(stage, stages, microbatches):
    numbers = range(microbatches)
    return [f"F{i}" for i in numbers] + [f"B{i}" for i in reversed(numbers)]


def warm(stage, stages, microbatches, ahead, cool=True):
    ahead = min(ahead, microbatches)
    order = [f"F{i}" for i in range(ahead)]
    for i in range(ahead, microbatches):
        order += [f"F{i}", f"B{i - ahead}"]
    return order + [f"B{i}" for i in range(microbatches - ahead, microbatches)] * cool


def one_too_many(stage, stages, microbatches):
    return warm(stage, stages, microbatches, stages - stage)


def counts_from_the_front(stage, stages, microbatches):
    return warm(stage, stages, microbatches, stage)


def all_run_ahead_alike(stage, stages, microbatches):
    return warm(stage, stages, microbatches, stages - 1)


def one_at_a_time(stage, stages, microbatches):
    return [f"{kind}{i}" for i in range(microbatches) for kind in "FB"]


def never_cools_down(stage, stages, microbatches):
    return warm(stage, stages, microbatches, stages - stage - 1, cool=False)


def pops_the_newest(stage, stages, microbatches):
    order, stack, f = [], [], 0
    while f < microbatches or stack:
        if f < microbatches and len(stack) < stages - stage:
            stack.append(f)
            order.append(f"F{f}")
            f += 1
        else:
            order.append(f"B{stack.pop()}")
    return order


def expects_many_microbatches(stage, stages, microbatches):
    ahead = stages - stage - 1
    order = [f"F{i}" for i in range(ahead)]
    for i in range(microbatches - ahead):
        order += [f"F{ahead + i}", f"B{i}"]
    return order + [f"B{i}" for i in range(max(microbatches - ahead, 0), microbatches)]


def counts_from_one(stage, stages, microbatches):
    return [n[0] + str(int(n[1:]) + 1) for n in in_three_parts(stage, stages, microbatches)]


WRONG = {
    forwards_then_backwards: "That is GPipe",
    forwards_then_backwards_reversed: "expected",
    one_too_many: "one microbatch too many",
    counts_from_the_front: "run ahead by `stage` microbatches",
    all_run_ahead_alike: "runs ahead equally far",
    one_at_a_time: "No stage of yours runs ahead",
    never_cools_down: "missing at the end",
    pops_the_newest: "newest microbatch first",
    expects_many_microbatches: "as long as there are microbatches enough",
    counts_from_one: "expected",
}
RIGHT = [in_three_parts, with_two_counters, by_merging]
