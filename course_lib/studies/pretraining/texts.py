"""The text that studies train on and are judged by: the first documents of the course's corpus."""

from dataclasses import dataclass
from functools import cache

from course_lib import lineage
from course_lib.data.mixing.corpus import tokenized_split
from course_lib.data.mixing.packing import Packed


@dataclass(frozen=True)
class Texts:
    """Packed rows to train on and to be judged by, and the judged text's own entropy a token."""

    training: Packed
    held_out: Packed
    floor: float
    eos_id: int
    vocab_size: int


@cache
def texts(seq: int, documents: int, held_out: int) -> Texts:
    """The first `documents` of the corpus and the first `held_out` of its validation split."""
    corpus, tokenizer = lineage.corpus(), lineage.tokenizer()
    judged = tokenized_split(corpus, "validation", tokenizer, seq, held_out)
    return Texts(
        training=tokenized_split(corpus, "train", tokenizer, seq, documents).packed,
        held_out=judged.packed,
        floor=judged.floor,
        eos_id=tokenizer.eos_id,
        vocab_size=tokenizer.vocab_size,
    )
