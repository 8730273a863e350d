"""The last stage of the lineage: the aligned model in int8, and what the rounding cost."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch.nn import functional as F

from course_lib.architecture.decoder import Decoder, load_model
from course_lib.data.recipe import read_documents
from course_lib.data.tokenization.tokenizer import Tokenizer
from course_lib.deployment.quantize import (
    largest_code,
    load_quantized,
    quantize_model,
    save_quantized,
    size_bytes,
)


@dataclass(frozen=True, kw_only=True)
class QuantizedConfig:
    """How many bits, and how many held-out documents measure the damage."""

    bits: int = 8
    documents: int = 200

    def __post_init__(self) -> None:
        largest_code(self.bits)
        if self.documents < 1:
            raise ValueError(f"documents is {self.documents}, expected at least 1")


def build_quantized(
    config: QuantizedConfig,
    parents: dict[str, Path],
    out: Path,
    work: Path,
    progress: Callable[[float, str], None],
) -> dict[str, float]:
    """Quantise the aligned model; figures: bytes, and the change on held-out documents."""
    tokenizer = Tokenizer.load(parents["tokenizer"] / "tokenizer.json")
    before = load_model(parents["aligned"])
    progress(0.1, f"rounding to {config.bits} bits")
    save_quantized(quantize_model(before, config.bits), out, bits=config.bits)
    after = load_quantized(out)
    progress(0.5, "measuring the change")
    held_out = islice(read_documents(parents["corpus"], "validation"), config.documents)
    documents = [tokenizer.encode(document["text"]) for document in held_out]
    return {
        "bytes": float(size_bytes(after)),
        "compression": size_bytes(before) / size_bytes(after),
        **damage(before, after, documents, tokenizer.eos_id),
    }


@torch.inference_mode()
def damage(
    before: Decoder, after: Decoder, documents: list[list[int]], eos_id: int
) -> dict[str, float]:
    """Nats a token of both models on documents, and how often their first choices agree."""
    nats, agree, tokens = [0.0, 0.0], 0, 0
    for ids in documents:
        row = torch.tensor([[eos_id, *ids, eos_id]])[:, : before.config.max_seq + 1]
        logits = [model(row[:, :-1])[0] for model in (before, after)]
        for i in range(2):
            nats[i] += float(F.cross_entropy(logits[i], row[0, 1:], reduction="sum"))
        agree += int((logits[0].argmax(-1) == logits[1].argmax(-1)).sum())
        tokens += row.shape[1] - 1
    return {
        "nats_per_token_before": nats[0] / tokens,
        "nats_per_token_after": nats[1] / tokens,
        "first_choice_agreement": agree / tokens,
    }
