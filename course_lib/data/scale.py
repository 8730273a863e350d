"""Our pipeline as steps of datatrove: one process a shard of files, as on a cluster.

A datatrove step is any `step(documents, rank, world_size)` that yields documents. Its executor
runs `tasks` of them, `workers` at a time; a task reads every `tasks`-th file, so no document is
seen by two. Steps that look at one document need nothing else. Deduplication looks at all of them,
so it takes three runs, as datatrove's own does:

    1. many tasks   clean, judge, write the text, and of each document the id and its band keys
    2. one task     join all keys, check candidates by their true Jaccard, write who goes
    3. many tasks   read the texts again, leave out who goes, write token shards

The functions are those of `data.pipeline.prepare`, so what is left is the same set of documents.
The steps need no import of datatrove: they are callables that get its documents.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from course_lib.data.deduplication.clusters import Deduplicated
from course_lib.data.deduplication.deduplicate import (
    BLOCK_TEXTS,
    DedupConfig,
    decide,
    document_keys,
)
from course_lib.data.extraction.clean import clean
from course_lib.data.filtering.quality import QualityRules, judge
from course_lib.data.mixing.shards import ShardWriter
from course_lib.data.tokenization.tokenizer import Tokenizer

Documents = Iterable[Any]  # datatrove.data.Document: .text, .id, .metadata


@dataclass(frozen=True)
class CleanAndJudge:
    """Clean every text; hand on those that no rule refuses; write the reasons of the others."""

    reasons: Path
    rules: QualityRules | None = None

    def __call__(self, documents: Documents, rank: int, world_size: int) -> Iterator[Any]:
        self.reasons.mkdir(parents=True, exist_ok=True)
        with (self.reasons / f"{rank:05d}.jsonl").open("w", encoding="utf-8") as file:
            for document in documents:
                document.text = clean(document.text).text
                verdict = judge(document.text, self.rules)
                if verdict.keep:
                    yield document
                else:
                    file.write(json.dumps([document.id, verdict.rule, verdict.reason]) + "\n")


@dataclass(frozen=True)
class WriteKeys:
    """Hand documents on, and keep the ids and band keys of this task's documents in a file."""

    folder: Path
    config: DedupConfig

    def __call__(self, documents: Documents, rank: int, world_size: int) -> Iterator[Any]:
        self.folder.mkdir(parents=True, exist_ok=True)
        ids, parts, block = [], [np.zeros((0, self.config.bands), np.uint64)], []
        for document in documents:
            ids.append(document.id)
            block.append(document.text)
            if len(block) == BLOCK_TEXTS:
                parts.append(document_keys(block, self.config))
                block = []
            yield document
        parts.append(document_keys(block, self.config))
        np.savez(
            self.folder / f"{rank:05d}.npz", ids=np.array(ids, str), keys=np.concatenate(parts)
        )


class Stored(Sequence):
    """The texts of all Parquet files, by number; a file is read where a text of it is asked for."""

    def __init__(self, paths: Sequence[Path]):
        self.files = [pq.ParquetFile(path) for path in paths]
        self.ends = np.cumsum([0] + [file.metadata.num_rows for file in self.files])
        self.columns: dict[int, Any] = {}

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, index: int | np.integer) -> str:
        number = int(np.searchsorted(self.ends, index, side="right")) - 1
        if number not in self.columns:
            self.columns[number] = self.files[number].read(["text"])["text"]
        return self.columns[number][int(index - self.ends[number])].as_py()


@dataclass(frozen=True)
class Decide:
    """The one task that sees all keys: it writes `removed.jsonl`, (id, kept, witness, score)."""

    keys: Path
    texts: Path
    out: Path
    config: DedupConfig

    def __call__(self, documents: Documents | None, rank: int, world_size: int) -> None:
        loaded = [np.load(path) for path in sorted(self.keys.glob("*.npz"))]
        ids = [str(one) for part in loaded for one in part["ids"]]
        stored = Stored(sorted(self.texts.glob("*.parquet")))
        if len(stored) != len(ids):
            raise ValueError(
                f"{self.texts} holds {len(stored)} texts for {len(ids)} band keys of "
                f"{self.keys}: was a task of the first run cut short?"
            )
        found = decide(np.concatenate([part["keys"] for part in loaded]), stored, self.config, ids)
        self.out.mkdir(parents=True, exist_ok=True)
        self._write(found, ids)

    def _write(self, found: Deduplicated, ids: list[str]) -> None:
        with (self.out / "removed.jsonl").open("w", encoding="utf-8") as file:
            for removal in found.removed:
                file.write(
                    json.dumps(
                        [ids[removal.index], ids[removal.kept], ids[removal.witness], removal.score]
                    )
                    + "\n"
                )


@dataclass(frozen=True)
class LeaveOut:
    """Hand on the documents that stay. Ids must be unique, else a keeper would go with its copy."""

    folder: Path

    def __call__(self, documents: Documents, rank: int, world_size: int) -> Iterator[Any]:
        lines = (self.folder / "removed.jsonl").read_text(encoding="utf-8").splitlines()
        gone = {json.loads(line)[0] for line in lines}
        yield from (document for document in documents if document.id not in gone)


@dataclass(frozen=True)
class WriteShards:
    """Encode what is left, and write one folder of token shards a task, its ids beside it."""

    folder: Path
    tokenizer: Tokenizer

    def __call__(self, documents: Documents, rank: int, world_size: int) -> Iterator[Any]:
        out = self.folder / f"{rank:05d}"
        writer, ids = ShardWriter(out, self.tokenizer.vocab_size, self.tokenizer.eos_id), []
        for document in documents:
            writer.add(self.tokenizer.encode(document.text))
            ids.append(document.id)
            yield document
        writer.close()
        (out / "ids.json").write_text(json.dumps(ids), encoding="utf-8")
