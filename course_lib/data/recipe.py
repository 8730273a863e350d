"""Recipes of the artifacts `corpus` (the world's documents) and `tokenizer` (BPE on them)."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from course_lib.data.tokenization.tokenizer import Tokenizer, train_bpe
from course_lib.world import World, WorldConfig

SPLITS = ("train", "validation", "test")
Progress = Callable[[float, str], None]


@dataclass(frozen=True, kw_only=True)
class CorpusConfig:
    """How large the world is, and how many documents each split gets: exactly so many."""

    people: int
    documents: int
    held_out_documents: int  # for validation, and as many for test
    seed: int = 0

    def __post_init__(self):
        for name in ("people", "documents", "held_out_documents"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")

    def size(self, split: str) -> int:
        return self.documents if split == "train" else self.held_out_documents


@dataclass(frozen=True, kw_only=True)
class TokenizerConfig:
    vocab_size: int


def build_corpus(
    config: CorpusConfig, parents: dict[str, Path], out: Path, work: Path, progress: Progress
) -> dict[str, float]:
    """Write one .jsonl a split (id, kind, text, nats), and the world's config to `world.json`."""
    settings = WorldConfig(seed=config.seed, people=config.people)
    world = World(settings)
    (out / "world.json").write_text(json.dumps(settings.to_dict(), indent=1), encoding="utf-8")
    total, done = sum(map(config.size, SPLITS)), 0
    figures = {}
    for split in SPLITS:
        nats, size = 0.0, 0
        with (out / f"{split}.jsonl").open("w", encoding="utf-8") as file:
            for doc in world.documents(split, config.size(split), config.seed):
                file.write(
                    json.dumps(
                        {"id": doc.id, "kind": doc.kind, "text": doc.text, "nats": doc.nats},
                        ensure_ascii=False,
                    )
                    + "\n"
                )
                nats, size, done = nats + doc.nats, size + len(doc.text.encode()), done + 1
                if done % 1000 == 0:
                    progress(done / total, f"{split}: {done:,} of {total:,} documents")
        figures[f"{split}_documents"] = float(config.size(split))
        figures[f"{split}_bytes"] = float(size)
        figures[f"{split}_floor_bits_per_byte"] = nats / math.log(2) / size
    return figures


def read_world(corpus: Path) -> World:
    """The world that wrote a corpus artifact."""
    settings = json.loads((corpus / "world.json").read_text(encoding="utf-8"))
    return World(WorldConfig.from_dict(settings))


def read_documents(corpus: Path, split: str) -> Iterator[dict]:
    """The records of one split of a corpus artifact."""
    if split not in SPLITS:
        raise ValueError(f"split={split!r} is not one of {SPLITS}")
    with (corpus / f"{split}.jsonl").open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def build_tokenizer(
    config: TokenizerConfig, parents: dict[str, Path], out: Path, work: Path, progress: Progress
) -> dict[str, float]:
    """Train on the corpus's train split alone; write `tokenizer.json`."""
    progress(0.0, "counting words")
    texts = (doc["text"] for doc in read_documents(parents["corpus"], "train"))
    tokenizer = train_bpe(texts, config.vocab_size)
    tokenizer.save(out / "tokenizer.json")
    progress(0.9, "measuring on the validation split")
    held_out = [doc["text"] for doc in read_documents(parents["corpus"], "validation")]
    return {
        "vocab_size": float(tokenizer.vocab_size),
        "bytes_per_token": bytes_per_token(tokenizer, held_out),
    }


def bytes_per_token(tokenizer: Tokenizer, texts: list[str]) -> float:
    tokens = sum(map(len, tokenizer.encode_batch(texts)))
    return sum(len(text.encode()) for text in texts) / tokens
