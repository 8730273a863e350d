"""A list of training runs as a group might keep it: some of them were never finished."""

import math
from random import Random

from course_lib.checks.scaling._laws import draw, log_uniform
from course_lib.scaling.laws.fit import Law
from course_lib.scaling.planning.plan import compute_optimal

Run = dict[str, float | int]


def ledger(
    random: Random,
    *,
    law: Law | None = None,
    budgets: int = 4,
    sizes: int = 6,
    cut: int = 2,
    thin: bool = False,
) -> list[Run]:
    """An IsoFLOP grid under a law (or one drawn at random), its largest models cut short, shuffled.

    Each budget above the smallest lost the end of ``cut`` of its larger runs: their learning rate
    hadn't come down, so their loss is too high. ``thin``: the largest budget kept two runs alone.
    """
    law = law or Law(**draw(random))
    vocabulary, runs = log_uniform(random, 500.0, 5000.0), []
    first = log_uniform(random, 1e14, 1e15)
    for k in range(budgets):
        flops = first * 6.0**k
        best = compute_optimal(law, flops).n
        for i in range(sizes):
            n = best * 2 ** (i - (sizes - 1) / 2 + random.uniform(-0.1, 0.1))
            planned = random.randint(2000, 6000)
            lost = k > 0 and i >= sizes - cut or thin and k == budgets - 1 and i >= 2
            step = int(planned * random.uniform(0.4, 0.8)) if lost else planned
            tokens = flops / 6 / n
            loss = float(law.loss(n, tokens)) * math.exp(random.gauss(0, 5e-5))
            runs.append(
                {
                    "flops": flops,
                    "parameters": n,
                    "tokens": tokens,
                    "step": step,
                    "last_step": planned,
                    "loss": loss + 0.06 * (1 + k) * lost,
                    "embedding": min(vocabulary * n ** (1 / 3), 0.7 * n),
                }
            )
    random.shuffle(runs)
    return runs
