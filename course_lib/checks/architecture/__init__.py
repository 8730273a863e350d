"""Instant checks of the architecture chapter's exercises."""

from course_lib.checks.architecture._grouped_query_attention import grouped_query_attention
from course_lib.checks.architecture._online_softmax import ONLINE_SOFTMAX_MISTAKES, online_softmax
from course_lib.checks.architecture._qk_norm import QK_NORM_MISTAKES, qk_norm
from course_lib.checks.architecture._rope import ROPE_MISTAKES, rope
from course_lib.checks.architecture._top_p import TOP_P_MISTAKES, top_p

__all__ = [
    "ONLINE_SOFTMAX_MISTAKES", "QK_NORM_MISTAKES", "ROPE_MISTAKES", "TOP_P_MISTAKES",
    "grouped_query_attention", "online_softmax", "qk_norm", "rope", "top_p",
]  # fmt: skip
