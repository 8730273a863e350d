"""Instant checks of the architecture chapter's exercises."""

from course_lib.checks.architecture._cached_attention import cached_attention
from course_lib.checks.architecture._decoder_bill import decoder_bill
from course_lib.checks.architecture._grouped_query_attention import grouped_query_attention
from course_lib.checks.architecture._online_softmax import online_softmax
from course_lib.checks.architecture._qk_norm import qk_norm
from course_lib.checks.architecture._rope import rope
from course_lib.checks.architecture._too_good import too_good
from course_lib.checks.architecture._top_p import top_p

__all__ = [
    "cached_attention",
    "decoder_bill",
    "grouped_query_attention",
    "online_softmax",
    "qk_norm",
    "rope",
    "too_good",
    "top_p",
]
