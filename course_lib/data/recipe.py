"""Recipes of the artifacts `corpus` (the world's documents) and `tokenizer` (BPE on them)."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from course_lib.data.tokenizer import Tokenizer, train_bpe
from course_lib.world import World, WorldConfig

SPLITS = ("train", "validation", "test")
Progress = Callable[[float, str], None]


@dataclass(frozen=True, kw_only=True)
class CorpusConfig:
    """How many documents of each split; exactly so many are written."""

    world: WorldConfig = field(default_factory=WorldConfig)
    train: int = 110_000
    validation: int = 2_000
    test: int = 2_000
    seed: int = 0

    def __post_init__(self):
        for split in SPLITS:
            if getattr(self, split) < 1:
                raise ValueError(f"{split}={getattr(self, split)}: a split needs a document")


@dataclass(frozen=True, kw_only=True)
class TokenizerConfig:
    vocab_size: int = 768


def build_corpus(config: CorpusConfig, parents: dict[str, Path], out: Path, work: Path,
                 progress: Progress) -> dict[str, float]:
    """Write `train.jsonl`, `validation.jsonl`, `test.jsonl` (id, kind, text, nats), `world.json`."""
    world = World(config.world)
    (out / "world.json").write_text(json.dumps(asdict(config.world), indent=1), encoding="utf-8")
    total = sum(getattr(config, split) for split in SPLITS)
    figures, done = {}, 0
    for split in SPLITS:
        nats, size = 0.0, 0
        with (out / f"{split}.jsonl").open("w", encoding="utf-8") as file:
            for doc in world.documents(split, getattr(config, split), config.seed):
                file.write(json.dumps({"id": doc.id, "kind": doc.kind, "text": doc.text,
                                       "nats": doc.nats}, ensure_ascii=False) + "\n")
                nats, size, done = nats + doc.nats, size + len(doc.text.encode()), done + 1
                if done % 1000 == 0:
                    progress(done / total, f"{split}: {done:,} of {total:,} documents")
        figures[f"{split}_documents"] = float(getattr(config, split))
        figures[f"{split}_bytes"] = float(size)
        figures[f"{split}_nats_per_byte"] = nats / size
    progress(1.0, "corpus written")
    return figures


def read_documents(corpus: Path, split: str) -> Iterator[dict]:
    """The records of one split of a corpus artifact."""
    if split not in SPLITS:
        raise ValueError(f"split={split!r} is not one of {SPLITS}")
    with (corpus / f"{split}.jsonl").open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def build_tokenizer(config: TokenizerConfig, parents: dict[str, Path], out: Path, work: Path,
                    progress: Progress) -> dict[str, float]:
    """Train on the corpus's train split alone; write `tokenizer.json`."""
    progress(0.0, "counting words")
    texts = [doc["text"] for doc in read_documents(parents["corpus"], "train")]
    tokenizer = train_bpe(texts, config.vocab_size)
    tokenizer.save(out / "tokenizer.json")
    progress(0.9, "measuring on the validation split")
    held_out = [doc["text"] for doc in read_documents(parents["corpus"], "validation")]
    return {"vocab_size": float(tokenizer.vocab_size),
            "bytes_per_token": bytes_per_token(tokenizer, held_out)}


def bytes_per_token(tokenizer: Tokenizer, texts: list[str]) -> float:
    tokens = sum(map(len, tokenizer.encode_batch(texts)))
    return sum(len(text.encode()) for text in texts) / tokens
