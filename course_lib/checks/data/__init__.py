"""Instant checks of the data chapter's exercises."""

from course_lib.checks.data._bpe import bpe_step
from course_lib.checks.data._loader_resume import next_batch
from course_lib.checks.data._minhash import candidate_pairs
from course_lib.checks.data._pii_masking import mask_cards
from course_lib.checks.data._wordpiece_encode import wordpiece_encode

__all__ = ["bpe_step", "candidate_pairs", "mask_cards", "next_batch", "wordpiece_encode"]
