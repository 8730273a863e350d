"""Instant checks of the evaluation chapter's exercises."""

from course_lib.checks.evaluation._bits_per_byte import bits_per_byte
from course_lib.checks.evaluation._bootstrap import paired_bootstrap
from course_lib.checks.evaluation._harness import broken_harness
from course_lib.checks.evaluation._likelihood import continuation_logprob
from course_lib.checks.evaluation._pass_at_k import pass_at_k
from course_lib.checks.evaluation._questions_needed import questions_needed

__all__ = [
    "bits_per_byte",
    "broken_harness",
    "continuation_logprob",
    "paired_bootstrap",
    "pass_at_k",
    "questions_needed",
]
