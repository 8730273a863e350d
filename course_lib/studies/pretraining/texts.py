"""The text that the chapter's studies train on and are judged by: the course's own corpus."""

import json
from dataclasses import dataclass
from functools import cache
from itertools import islice

from course_lib import lineage
from course_lib.data.mixing.packing import Packed, pack


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
    tokenizer = lineage.tokenizer()

    def packed(split: str, count: int) -> tuple[Packed, list[dict]]:
        with (lineage.corpus() / f"{split}.jsonl").open() as lines:
            records = [json.loads(line) for line in islice(lines, count)]
        ids = tokenizer.encode_batch([record["text"] for record in records])
        return pack(ids, seq, tokenizer.eos_id), records

    judged, records = packed("validation", held_out)
    return Texts(
        training=packed("train", documents)[0],
        held_out=judged,
        floor=sum(record["nats"] for record in records) / judged.tokens,
        eos_id=tokenizer.eos_id,
        vocab_size=tokenizer.vocab_size,
    )
