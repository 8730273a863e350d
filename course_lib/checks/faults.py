"""Exercises with several faults in one function: which of them has a learner not mended yet?"""

from collections.abc import Callable, Mapping
from itertools import combinations

LEFT = ("One fault is left", "Two faults are left", "All three faults are there")


def left_over(faults: Mapping[str, dict], made: Callable[[dict], Callable]) -> dict[str, Callable]:
    """Every subset of three faults, smallest first: a sentence -> the answer with those faults.

    faults: a fault in words -> what it changes. made: an answer from the changes of some faults.
    """
    found = {}
    for number, said in enumerate(LEFT, start=1):
        for words in combinations(faults, number):
            change = {name: value for word in words for name, value in faults[word].items()}
            found[f"{said}: {'; '.join(words)}."] = made(change)
    return found
