"""Instant checks of the data chapter's exercises."""

from course_lib.checks.data._bpe import bpe_step
from course_lib.checks.data._loader_resume import next_batch
from course_lib.checks.data._lsh_share import lsh_share
from course_lib.checks.data._minhash import candidate_pairs
from course_lib.checks.data._pii_masking import mask_cards
from course_lib.checks.data._split_leak import leak_free_split
from course_lib.checks.data._wordpiece_encode import wordpiece_encode

__all__ = [
    "bpe_step",
    "candidate_pairs",
    "leak_free_split",
    "lsh_share",
    "mask_cards",
    "next_batch",
    "wordpiece_encode",
]
