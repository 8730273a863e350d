"""Does filtering help? The same model on all, kept and dropped text, at equal tokens.

The corpus is half documentation from this machine and half planted junk, so that the truth is
known. Four arms: *all*, what the filters *kept*, what they *dropped*, and *truth*, the
documentation alone. Held-out documentation judges them all.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from course_lib.data.filtering.junk import junk
from course_lib.data.filtering.stack import apply, web_stack
from course_lib.data.mixing.packing import Packed, pack_texts
from course_lib.data.records import Record
from course_lib.data.sources.source import source
from course_lib.data.tokenization.tokenizer import Tokenizer, train_bpe
from course_lib.experiments import experiment, once
from course_lib.pretraining.loop.validation import validation_loss
from course_lib.studies.data.small_run import fit, small_model

MODULES = (
    "argparse",
    "asyncio",
    "calendar",
    "collections",
    "concurrent",
    "csv",
    "datetime",
    "decimal",
    "difflib",
    "doctest",
    "email",
    "fractions",
    "functools",
    "heapq",
    "http",
    "inspect",
    "json",
    "logging",
    "multiprocessing",
    "pathlib",
    "random",
    "sched",
    "secrets",
    "selectors",
    "shelve",
    "shutil",
    "smtplib",
    "socket",
    "ssl",
    "statistics",
    "string",
    "subprocess",
    "tarfile",
    "tempfile",
    "textwrap",
    "threading",
    "timeit",
    "traceback",
    "turtle",
    "types",
    "typing",
    "unittest",
    "urllib",
    "uuid",
    "warnings",
    "weakref",
    "wsgiref",
    "xml",
    "zipfile",
)
ARMS = ("all", "kept", "dropped", "truth")


@dataclass(frozen=True, kw_only=True)
class FilteringConfig:
    """Sizes of the study. Tokens an arm: steps x batch_size x seq_len."""

    seeds: tuple[int, ...] = (0, 1, 2)
    least_words: int = 50  # shorter docstrings aren't documents of a web crawl's kind
    steps: int = 80
    batch_size: int = 8
    seq_len: int = 128
    vocab_size: int = 1024
    lr: float = 4e-3


@dataclass(frozen=True)
class Corpus:
    """Documentation in three parts, and junk of as many characters as the training part."""

    trusted: list[Record]
    train: list[Record]
    held_out: list[Record]
    junk: list[Record]

    @property
    def mixed(self) -> list[Record]:
        """Documentation and junk in one random order: the crawl that a filter meets."""
        both = [*self.train, *self.junk]
        random.Random(1).shuffle(both)
        return both


def corpus(config: FilteringConfig) -> Corpus:
    """Whole documents go to one part each: 20 % trusted, 15 % held out, the rest training."""
    docs = [
        record
        for record in source("python_docs", kinds=("reference", "docstring"), modules=MODULES)
        if len(record.text.split()) >= config.least_words
    ]
    random.Random(0).shuffle(docs)
    a, b = len(docs) // 5, len(docs) // 5 + len(docs) * 3 // 20
    trusted, held_out, rest = docs[:a], docs[a:b], docs[b:]
    room = sum(len(record.text) for record in rest)
    planted = []
    for record in junk([r.text for r in rest], 10 * len(rest), seed=0):
        planted.append(record)
        room -= len(record.text)
        if room <= 0:
            break
    return Corpus(trusted, rest, held_out, planted)


def arms(parts: Corpus) -> dict[str, list[Record]]:
    """The documents of each arm."""
    filtered = apply(web_stack([r.text for r in parts.trusted]), parts.mixed)
    dropped = [record for record, _ in filtered.dropped]
    return {"all": parts.mixed, "kept": filtered.kept, "dropped": dropped, "truth": parts.train}


def fit_tokenizer(parts: Corpus, config: FilteringConfig) -> Tokenizer:
    """One tokenizer for every arm, trained on everything: no arm is favoured by it."""
    return train_bpe([record.text for record in parts.mixed], config.vocab_size)


def rows_of(records: Sequence[Record], tokenizer: Tokenizer, seq_len: int) -> Packed:
    """Documents cut into pieces that fit a row, then packed."""
    return pack_texts((record.text for record in records), tokenizer, seq_len)


def train_arm(
    rows: Packed,
    held_out: Packed,
    held_out_bytes: int,
    tokenizer: Tokenizer,
    config: FilteringConfig,
    seed: int,
) -> float:
    """Train a fresh small model on an arm; its bits a byte on the held-out documentation."""
    model = small_model(tokenizer, config.seq_len, seed, d_model=96, n_heads=3, d_ff=256)
    eos_id = tokenizer.eos_id
    fit(
        model,
        rows,
        eos_id,
        steps=config.steps,
        batch_size=config.batch_size,
        lr=config.lr,
        seed=seed,
    )
    return validation_loss(model, held_out, eos_id).bits_per_byte(held_out_bytes)


@experiment(config=FilteringConfig())
def filtering(config: FilteringConfig, work: Path, progress: Callable[[float, str], None]) -> dict:
    """Bits a byte of every arm and seed, and how much text each arm had."""
    parts = corpus(config)
    tokenizer, groups = fit_tokenizer(parts, config), arms(parts)
    held_out = rows_of(parts.held_out, tokenizer, config.seq_len)
    size = sum(len(record.text.encode()) for record in parts.held_out)
    runs = []
    for number, (seed, arm) in enumerate((s, a) for s in config.seeds for a in ARMS):
        progress(number / (len(config.seeds) * len(ARMS)), f"seed {seed}: {arm}")

        def trained(seed: int = seed, arm: str = arm) -> dict:
            rows = rows_of(groups[arm], tokenizer, config.seq_len)
            figure = train_arm(rows, held_out, size, tokenizer, config, seed)
            return {"arm": arm, "seed": seed, "bits_per_byte": figure}

        runs.append(once(work / f"{arm}-{seed}.json", trained, cost=True))
    texts = {
        arm: {
            "documents": len(group),
            "characters": sum(len(r.text) for r in group),
            "junk": sum(r.source == "junk" for r in group),
        }
        for arm, group in groups.items()
    }
    return {"runs": runs, "arms": texts, "config": asdict(config)}
