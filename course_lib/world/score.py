"""log p(text) for any text: the sum over all ways in which the grammar could have written it."""

from dataclasses import dataclass
from math import exp, inf, log1p

from course_lib.world.documents import write
from course_lib.world.trace import Break, Fork, Reader
from course_lib.world.village import Village

SEVERITY = ("grammar", "held out", "arithmetic", "causality", "fact", "unfinished")


@dataclass(frozen=True)
class Score:
    """-log p(text) in nats (infinite where the text is impossible), how many characters can be
    followed, and what breaks there: `fault` in one word, `reason` in a sentence."""

    nats: float
    reached: int
    reason: str
    fault: str = ""

    @property
    def possible(self) -> bool:
        return self.nats < inf


def score(village: Village, text: str) -> Score:
    """p(text) = sum over derivations d of p(d), by depth-first search over the open decisions."""
    stack: list[tuple[int, ...]] = [()]
    log_p = -inf
    breaks: list[Break] = []
    while stack:
        decisions = stack.pop()
        reader = Reader(text, decisions)
        try:
            write(village, reader)
        except Fork as fork:
            stack += [(*decisions, i) for i in fork.choices]
        except Break as broken:
            if not breaks or broken.through > breaks[0].through:
                breaks = [broken]
            elif broken.through == breaks[0].through:
                breaks.append(broken)
        else:
            log_p = _log_add(log_p, -reader.nats)
    if log_p > -inf:
        return Score(-log_p, len(text), "possible")
    return _explain(text, breaks)


def _log_add(a: float, b: float) -> float:
    """log(exp(a) + exp(b))"""
    high, low = max(a, b), min(a, b)
    return high if low == -inf else high + log1p(exp(low - high))


def _explain(text: str, breaks: list[Break]) -> Score:
    """Of the derivations that came furthest, name the gravest fault and what was expected."""
    worst = max(breaks, key=lambda broken: SEVERITY.index(broken.fault))
    at = worst.position
    alike = [broken for broken in breaks if broken.fault == worst.fault]
    expected = list(dict.fromkeys(e.strip() for broken in alike for e in broken.expected))
    found = repr(text[at : at + 24].strip()) if text[at:].strip() else "the end of the text"
    if expected:
        listed = " or ".join(repr(e) for e in expected[:3]) + (" or …" if expected[3:] else "")
        reason = f"found {found}, expected {listed}"
    else:
        reason = f"{found} cannot be here"
    return Score(inf, at, f"{worst.fault} at character {at}: {reason}", worst.fault)
