"""Instant checks of the deployment chapter's exercises."""

from course_lib.checks.deployment._broken_cache import broken_cache
from course_lib.checks.deployment._decode_bytes import decode_bytes
from course_lib.checks.deployment._int8 import int8
from course_lib.checks.deployment._paged_cache import paged_cache
from course_lib.checks.deployment._speculative_acceptance import speculative_acceptance

__all__ = ["broken_cache", "decode_bytes", "int8", "paged_cache", "speculative_acceptance"]
