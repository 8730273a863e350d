"""Scaling laws as plain data, drawn at random: {"E": …, "A": …, "a": …, "B": …, "b": …}."""

import math
from random import Random

from course_lib.scaling.laws.fit import Law


def draw(random: Random, around: Law | None = None) -> dict[str, float]:
    """A law near a published one, or any: exponents apart, so that swapping them shows."""
    if around is not None:
        law = vars(around)
        return {name: value * random.uniform(0.95, 1.05) for name, value in law.items()}
    a = random.uniform(0.25, 0.5)
    return {
        "E": random.uniform(0.5, 2.0),
        "A": log_uniform(random, 20.0, 500.0),
        "a": a,
        "B": log_uniform(random, 20.0, 500.0) * 3,
        "b": a + random.choice((-1, 1)) * random.uniform(0.06, 0.15),
    }


def log_uniform(random: Random, low: float, high: float) -> float:
    """A number whose logarithm is evenly spread between those of ``low`` and ``high``."""
    return math.exp(random.uniform(math.log(low), math.log(high)))
