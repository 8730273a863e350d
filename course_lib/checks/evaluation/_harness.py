"""A broken evaluation harness: which models does it mark wrongly, and why?"""

import math
import random
from collections.abc import Callable
from itertools import combinations

import torch
from torch import Tensor

from course_lib.checks.exercise import Case, Exercise

VOCAB = 7
TIE = 1e-4  # scores nearer than this are equal: single precision can't tell them apart
FREE = ("tie", "even tie", "nan gold", "nan all")  # kinds of question in which anything goes
Rows = list[list[float]]
Question = dict[str, object]  # context, options, logits (one tensor an option), gold


def _mark_exam(
    questions: list[Question],
    *,
    shift: int = 1,
    length: str = "option",
    ties: str = "share",
    nan: str = "last",
) -> list[float]:
    """The credit of each question, with one thing to get wrong at a time; right by default."""
    return [_mark(question, shift, length, ties, nan) for question in questions]


def _right(questions: list[Question]) -> list[float]:
    """Mean log-probability of an option's tokens; equals share the mark; NaN is never chosen."""
    return _mark_exam(questions)


def _mark(question: Question, shift: int, length: str, ties: str, nan: str) -> float:
    n, gold = len(question["context"]), question["gold"]
    pairs = zip(question["options"], question["logits"], strict=True)
    scores = [_score(logits, ids, n, shift, length) for ids, logits in pairs]
    if math.isnan(scores[gold]):
        return float(nan == "right")
    scores = [-math.inf if math.isnan(score) else score for score in scores]
    best = [i for i, score in enumerate(scores) if score > max(scores) - TIE]
    if gold not in best:
        return 0.0
    return {
        "share": 1 / len(best),
        "gold": 1.0,
        "first": float(best[0] == gold),
        "nobody": float(len(best) == 1),
    }[ties]


def _score(logits: Tensor | Rows, ids: list[int], n: int, shift: int, length: str) -> float:
    rows = logits if isinstance(logits, list) else logits.tolist()
    total = sum(_logprob(rows[n - shift + i], token) for i, token in enumerate(ids))
    return total / {"option": len(ids), "whole": n + len(ids), "none": 1}[length]


def _logprob(row: list[float], token: int) -> float:
    """log softmax(row)[token]. Plain numbers: for seven of them torch would take far longer."""
    top = max(row)
    return row[token] - top - math.log(sum(math.exp(x - top) for x in row))


def _cases(seed: int) -> list[Case]:
    draw = random.Random(seed)

    def some(*wishes: str) -> tuple[list[Question]]:
        questions = [_question(draw, wish) for wish in draw.sample(wishes, len(wishes))]
        return ([q | {"logits": list(map(torch.tensor, q["logits"]))} for q in questions],)

    fault = ("shift", "length", "sum")
    return [
        Case("a model that has learned", some("right", "wrong", *fault)),
        Case("another model that has learned", some("right", "right", "wrong", *fault, *fault)),
        Case("some options are equally good", some("right", "tie", "even tie", "shift")),
        Case("a model with overflowing logits", some("right", "nan gold", "nan other", "length")),
        Case("a bit of everything", some("tie", "nan gold", "wrong", "right", *fault * 3)),
        Case("more of everything", some("even tie", "nan other", "right", *fault * 3)),
        Case("a model whose logits are all NaN", some("nan all", "nan all"), edge=True),
        Case("a model that knows nothing", some("tie", "tie"), edge=True),
        Case("no questions", ([],), edge=True),
    ]


def _question(draw: random.Random, wish: str) -> Question:
    """A random question of the kind that is wished for."""
    while True:
        question = _damaged(_random_question(draw, wish), wish, draw)
        right = _mark_exam([question])
        if wish == "right" and right == [1.0] or wish == "wrong" and right == [0.0]:
            return question
        if wish == "nan other" and right == [1.0] or wish in FREE:
            return question
        change = {"shift": {"shift": 0}, "length": {"length": "whole"}, "sum": {"length": "none"}}
        if wish in change and _mark_exam([question], **change[wish]) != right:
            return question


def _random_question(draw: random.Random, wish: str) -> Question:
    def ids(count: int | None = None) -> list[int]:
        return draw.choices(range(VOCAB), k=count or draw.randint(1, 4))

    def rows(count: int) -> Rows:
        return [[round(draw.gauss(0, 2), 3) for _ in range(VOCAB)] for _ in range(count)]

    count = draw.randint(1, 4) if wish == "even tie" else None
    context, options = ids(), [ids(count) for _ in range(draw.randint(2, 4))]
    logits = [rows(len(context) + len(option)) for option in options]
    gold = {"tie": len(options) - 1, "even tie": 0}.get(wish, draw.randrange(len(options)))
    return {"context": context, "options": options, "logits": logits, "gold": gold}


def _damaged(question: Question, wish: str, draw: random.Random) -> Question:
    """The question with NaN in its logits, or with all of them equal, as the wish asks for."""
    logits, gold = question["logits"], question["gold"]
    others = [i for i in range(len(logits)) if i != gold]
    hurt = {"nan gold": [gold], "nan other": [draw.choice(others)]}.get(wish, [])
    hurt = range(len(logits)) if wish in ("tie", "even tie", "nan all") else hurt
    value = 0.0 if wish.endswith("tie") else math.nan
    changed = [[value] * VOCAB for _ in range(9)]
    kept = [changed[: len(rows)] if i in hurt else rows for i, rows in enumerate(logits)]
    return question | {"logits": kept}


def _changed(**change) -> Callable[[list[Question]], list[float]]:
    return lambda questions: _mark_exam(questions, **change)


FAULTS = (  # in the colleague's harness: the change, its own sentence, and what it looks like
    (
        {"shift": 0},
        "Off by one: the row that speaks about token t is row t − 1. Your harness lets the model "
        "read each token of the option before it is judged on it.",
        "a model that has learned is no better than a guess",
    ),
    (
        {"length": "whole"},
        "You divide by the length of question and option. The question's tokens carry no score, so "
        "a long question makes all options look equally long: divide by the option's own tokens.",
        "behind a long question, short options win too often",
    ),
    (
        {"ties": "gold"},
        "Where options are equally good you give the right one full marks. A model that finds all "
        "alike knows nothing: give each of the m best 1/m.",
        "a model that knows nothing does better than a guess",
    ),
    (
        {"nan": "right"},
        "NaN counts as right: no comparison with NaN is true, so nothing is ever better than it. "
        "An option without a score can't be chosen.",
        "a model that has exploded gets full marks",
    ),
)


def _left_over() -> dict[str, Callable]:
    """Two faults or more still in place: what they look like, not where they are."""
    found = {}
    for count in (4, 3, 2):
        for some in combinations(FAULTS, count):
            change = {key: value for fault, *_ in some for key, value in fault.items()}
            signs = "; ".join(sign for *_, sign in some)
            words = {4: "All four", 3: "Three", 2: "Two"}[count]
            found[f"{words} faults are still there. Their signs: {signs}."] = _changed(**change)
    return found


_MISTAKES = {
    **{sentence: _changed(**change) for change, sentence, _ in FAULTS},
    "You add the log-probabilities up and don't divide: this exam asks for the mean over the "
    "option's tokens, or short options win.": _changed(length="none"),
    "Of equally good options you choose the first. Then a model that knows nothing scores whatever "
    "the place of the right options gives: share the mark.": _changed(ties="first"),
    "Of equally good options you give nothing. One of m guesses is right: give 1/m.": _changed(
        ties="nobody"
    ),
    **_left_over(),
}

broken_harness = Exercise(
    name="evaluation/harness",
    title="The harness that flatters",
    answer="mark_exam",
    kind="diagnose",
    minutes=40,
    points=15,
    cases=_cases,
    reference=_right,
    mistakes=_MISTAKES,
)
