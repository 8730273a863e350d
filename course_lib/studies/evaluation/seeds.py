"""Recorded experiments of the evaluation chapter: the whole lineage under three seeds."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from course_lib import lineage
from course_lib.data.recipe import read_documents
from course_lib.evaluation.likelihood import compression
from course_lib.experiments import experiment
from course_lib.sft.ask import ask, ask_few_shot
from course_lib.world import exam

STAGES = ("base", "sft", "aligned", "quantized")


@dataclass(frozen=True, kw_only=True)
class SeedsConfig:
    """Which seeds, and how much of the test split each stage is asked."""

    seeds: tuple[int, ...] = (0, 1, 2)
    questions: int = 200
    documents: int = 500
    kinds: tuple[str, ...] = ("fact", "sum", "where", "count", "stranger")


@experiment(config=SeedsConfig())
def seeds(config: SeedsConfig, work: Path, progress: Callable[[float, str], None]) -> dict:
    """Accuracy by kind and bits a byte of every stage, for each seed of the models' training."""
    runs = []
    for number, seed in enumerate(config.seeds):
        for place, stage in enumerate(STAGES):
            progress((number + place / len(STAGES)) / len(config.seeds), f"seed {seed}: {stage}")
            runs.append({"seed": seed, "stage": stage, **_measure(stage, seed, config)})
    return {"runs": runs, "floor_bits_per_byte": _floor(config)}


def _measure(stage: str, seed: int, config: SeedsConfig) -> dict:
    model = lineage.model(stage, seed)
    tokenizer, world = lineage.tokenizer(), lineage.world()
    questions = [
        question
        for kind in config.kinds
        for question in world.questions("test", config.questions, 0, kinds=(kind,))
    ]
    if stage == "base":
        replies = ask_few_shot(model, tokenizer, questions, world)
    else:
        replies = ask(model, tokenizer, questions)
    results = exam(world, questions, replies)
    texts = [record["text"] for record in _documents(config)]
    size = compression(model, tokenizer, texts)
    return {
        "accuracy": {kind: result.rate for kind, result in results.items()},
        "asked": {kind: result.n for kind, result in results.items()},
        "bits_per_byte": size.nats / math.log(2) / size.bytes,
    }


def _documents(config: SeedsConfig) -> list[dict]:
    return list(read_documents(lineage.corpus(), "test"))[: config.documents]


def _floor(config: SeedsConfig) -> float:
    documents = _documents(config)
    nats = sum(document["nats"] for document in documents)
    return nats / math.log(2) / sum(len(document["text"].encode()) for document in documents)
