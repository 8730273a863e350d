"""How good is a model, and how sure are you: likelihood, generation, statistics, lm-eval.

Pages and their code:
    exam: generation, harness, likelihood, stats, tasks
"""

from course_lib.evaluation.generation import Marked, ask_chat, ask_few_shot, by_kind, mark
from course_lib.evaluation.likelihood import Choice, choose, compression, score_pairs, windows
from course_lib.evaluation.stats import (
    Interval,
    mcnemar,
    paired_bootstrap,
    questions_needed,
    wilson,
)

__all__ = [
    "Choice",
    "Interval",
    "Marked",
    "ask_chat",
    "ask_few_shot",
    "by_kind",
    "choose",
    "compression",
    "mark",
    "mcnemar",
    "paired_bootstrap",
    "questions_needed",
    "score_pairs",
    "wilson",
    "windows",
]
