"""How good is a model, and how sure are you: likelihood, statistics, lm-eval.

Pages and their code:
    exam: harness, likelihood, stats, tasks
Shared:
    own_text: bits a byte of any texts by any model
"""

from course_lib.evaluation.likelihood import Choice, choose, compression, score_pairs, windows
from course_lib.evaluation.stats import Interval, mcnemar, paired_bootstrap, questions_needed

__all__ = [
    "Choice",
    "Interval",
    "choose",
    "compression",
    "mcnemar",
    "paired_bootstrap",
    "questions_needed",
    "score_pairs",
    "windows",
]
