"""Mixtures, curricula and repetition, measured with one small model at equal tokens."""

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from course_lib import lineage
from course_lib.architecture.decoder import Decoder
from course_lib.data.mixing.packing import Packed, chunks, pack, pack_texts
from course_lib.data.mixing.weights import draw_sources, fit_mixture
from course_lib.data.recipe import read_documents
from course_lib.data.sources.source import source
from course_lib.data.tokenization.tokenizer import Tokenizer, train_bpe
from course_lib.experiments import experiment, once
from course_lib.pretraining.loop.validation import validation_loss
from course_lib.studies.data.small_run import fit, small_model

SOURCES = ("world", "docs", "code")
ORDERS = ("mixed", "short first", "one kind after another")
MODULES = (
    "argparse",
    "asyncio",
    "collections",
    "concurrent",
    "decimal",
    "difflib",
    "doctest",
    "email",
    "heapq",
    "http",
    "json",
    "logging",
    "pathlib",
    "random",
    "statistics",
    "tarfile",
    "threading",
    "typing",
    "unittest",
    "urllib",
    "zipfile",
)


@dataclass(frozen=True, kw_only=True)
class MixingConfig:
    """Sizes. Tokens a run: steps x batch_size x seq_len."""

    seeds: tuple[int, ...] = (0, 1, 2)
    proxies: int = 10
    passes: tuple[int, ...] = (1, 2, 4, 8, 16)
    steps: int = 60
    batch_size: int = 8
    seq_len: int = 128
    vocab_size: int = 768
    lr: float = 5e-3

    @property
    def budget(self) -> int:
        return self.steps * self.batch_size


@dataclass(frozen=True)
class Pool:
    """Packed training rows of one source, and held-out rows with their bytes."""

    train: Packed
    held_out: Packed
    held_out_bytes: int


def texts() -> dict[str, list[str]]:
    """About a megabyte of each source, shuffled."""
    found = {
        "world": [d["text"] for d in islice(read_documents(lineage.corpus(), "train"), 9_000)],
        "docs": [
            r.text for r in source("python_docs", kinds=("reference", "docstring"), modules=MODULES)
        ],
        "code": [r.text for r in source("python_code", modules=MODULES[:12])],
    }
    for name, documents in found.items():
        random.Random(name).shuffle(documents)
        found[name] = _up_to(documents, 900_000)
    return found


def pools(config: MixingConfig) -> tuple[Tokenizer, dict[str, Pool]]:
    """One tokenizer for all three, then rows; a tenth of the documents is held out."""
    documents = texts()
    tokenizer = train_bpe([t for group in documents.values() for t in group], config.vocab_size)
    return tokenizer, {name: _pool(group, tokenizer, config) for name, group in documents.items()}


def mixture_rows(
    parts: dict[str, Pool], weights: Sequence[float], config: MixingConfig, seed: int
) -> Packed:
    """As many rows as the run needs, each from a source drawn by weight; a pool starts again when
    it is used up.
    """
    order = draw_sources(list(weights), config.budget, seed)
    used = dict.fromkeys(SOURCES, 0)
    chosen = []
    for number in order:
        rows = parts[SOURCES[number]].train
        chosen.append((SOURCES[number], used[SOURCES[number]] % len(rows)))
        used[SOURCES[number]] += 1
    return _stack([(parts[name].train, row) for name, row in chosen])


def train_rows(rows: Packed, tokenizer: Tokenizer, config: MixingConfig, seed: int) -> Decoder:
    """A fresh small model over the rows, in the order given, from the first again at the end."""
    model = small_model(tokenizer, config.seq_len, seed)
    fit(
        model,
        rows,
        tokenizer.eos_id,
        steps=config.steps,
        batch_size=config.batch_size,
        lr=config.lr,
        seed=None,
    )
    return model


def bits(model: Decoder, pool: Pool, eos_id: int) -> float:
    """Bits a byte on a pool's held-out rows."""
    return validation_loss(model, pool.held_out, eos_id).bits_per_byte(pool.held_out_bytes)


def mixture_run(
    weights: Sequence[float],
    seed: int,
    tokenizer: Tokenizer,
    parts: dict[str, Pool],
    config: MixingConfig,
) -> dict[str, float]:
    """Train on a mixture: bits a byte on every source, and their mean."""
    rows = mixture_rows(parts, weights, config, seed)
    model = train_rows(rows, tokenizer, config, seed)
    figures = {name: bits(model, pool, tokenizer.eos_id) for name, pool in parts.items()}
    return {**figures, "mean": sum(figures.values()) / len(figures)}


def repeated_run(
    passes: int, seed: int, tokenizer: Tokenizer, pool: Pool, config: MixingConfig
) -> dict[str, float]:
    """The same number of tokens, from 1 / passes as many different rows, read `passes` times."""
    generator = torch.Generator().manual_seed(seed)
    different = config.budget // passes
    places = torch.randperm(len(pool.train), generator=generator)[:different]
    rows = pool.train[places]
    order = torch.cat([torch.randperm(different, generator=generator) for _ in range(passes)])
    model = train_rows(rows[order], tokenizer, config, seed)
    seen = validation_loss(model, rows, tokenizer.eos_id).per_token
    fresh = validation_loss(model, pool.held_out, tokenizer.eos_id).per_token
    return {
        "held_out": bits(model, pool, tokenizer.eos_id),
        "seen_nats": seen,
        "held_out_nats": fresh,
    }


def curriculum_run(
    order: str, seed: int, tokenizer: Tokenizer, config: MixingConfig
) -> dict[str, float]:
    """The same world documents in another order: bits a byte on each kind at the end."""
    documents = list(islice(read_documents(lineage.corpus(), "train"), 4 * config.budget))
    random.Random(seed).shuffle(documents)
    sizes = np.cumsum(
        [len(ids) + 1 for ids in tokenizer.encode_batch([d["text"] for d in documents])]
    )
    documents = documents[: int(np.searchsorted(sizes, 0.9 * config.budget * config.seq_len))]
    kinds = sorted({d["kind"] for d in documents})
    if order == "short first":
        documents.sort(key=lambda d: len(d["text"]))
    elif order == "one kind after another":
        documents.sort(key=lambda d: kinds.index(d["kind"]))
    elif order != "mixed":
        raise ValueError(f"order={order!r} is not one of {ORDERS}")
    ids = tokenizer.encode_batch([d["text"] for d in documents])
    rows = _rows_in_order(ids, tokenizer, config.seq_len)
    # stretched over the whole run, so that every order reads its last document last
    places = torch.arange(config.budget) * len(rows) // config.budget
    rows = rows[places]
    model = train_rows(rows, tokenizer, config, seed)
    held_out = list(read_documents(lineage.corpus(), "validation"))[:400]
    figures = {}
    for kind in [*kinds, "all"]:
        group = [d["text"] for d in held_out if kind in (d["kind"], "all")]
        figures[kind] = bits(model, _held_out(group, tokenizer, config), tokenizer.eos_id)
    return figures


@experiment(config=MixingConfig())
def mixing(config: MixingConfig, work: Path, progress: Callable[[float, str], None]) -> dict:
    """Proxies and the mixtures they propose, repetition, curricula; each run is kept when done."""
    tokenizer, parts = pools(config)
    runs: dict[str, dict] = {}

    def kept(name: str, run: Callable[[], dict]) -> dict:
        progress(len(runs) / 40, name)
        runs[name] = once(work / f"{name}.json", run, cost=True)
        return runs[name]

    drawn = np.random.default_rng(0).dirichlet(np.ones(len(SOURCES)), config.proxies).tolist()
    losses = [
        kept(f"proxy-{i}", lambda i=i: mixture_run(drawn[i], 10 + i, tokenizer, parts, config))[
            "mean"
        ]
        for i in range(config.proxies)
    ]
    fitted = fit_mixture(SOURCES, drawn, losses)
    tried = {"equal": dict.fromkeys(SOURCES, 1 / len(SOURCES)), "learned": fitted.best()}
    mixtures = {
        name: [
            kept(
                f"mixture-{name}-{seed}",
                lambda w=w, s=seed: mixture_run(list(w.values()), s, tokenizer, parts, config),
            )
            for seed in config.seeds
        ]
        for name, w in tried.items()
    }
    repeated = {
        str(n): [
            kept(
                f"passes-{n}-{seed}",
                lambda n=n, s=seed: repeated_run(n, s, tokenizer, parts["docs"], config),
            )
            for seed in config.seeds
        ]
        for n in config.passes
    }
    orders = {
        name: [
            kept(
                f"order-{name}-{seed}",
                lambda o=name, s=seed: curriculum_run(o, s, tokenizer, config),
            )
            for seed in config.seeds
        ]
        for name in ORDERS
    }
    spent = sum(run["core_seconds"] for run in runs.values())
    return {
        "config": asdict(config),
        "core_seconds": round(spent, 1),
        "proxies": [{"weights": w, "mean": loss} for w, loss in zip(drawn, losses, strict=True)],
        "residual": fitted.residual,
        "tried": tried,
        "mixtures": mixtures,
        "repeated": repeated,
        "orders": orders,
    }


def _up_to(documents: list[str], most: int) -> list[str]:
    total, kept = 0, []
    for text in documents:
        if total >= most:
            break
        kept.append(text[:8_000])
        total += len(kept[-1])
    return kept


def _pool(documents: list[str], tokenizer: Tokenizer, config: MixingConfig) -> Pool:
    cut = max(1, len(documents) // 10)
    held = _held_out(_up_to(documents[:cut], 40_000), tokenizer, config)
    rows = _held_out(documents[cut:], tokenizer, config).train
    places = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
    return Pool(rows[places], held.held_out, held.held_out_bytes)


def _held_out(documents: list[str], tokenizer: Tokenizer, config: MixingConfig) -> Pool:
    packed = pack_texts(documents, tokenizer, config.seq_len)
    return Pool(packed, packed, sum(len(text.encode()) for text in documents))


def _rows_in_order(ids: list[list[int]], tokenizer: Tokenizer, seq_len: int) -> Packed:
    """Next fit: a row is closed when the next document doesn't fit, so the order is kept."""
    groups: list[list[list[int]]] = [[]]
    room = seq_len
    for piece in (p for doc in ids for p in chunks(doc, seq_len - 1)):
        if len(piece) + 1 > room:
            groups.append([])
            room = seq_len
        groups[-1].append(piece)
        room -= len(piece) + 1
    packed = [pack(group, seq_len, tokenizer.eos_id) for group in groups if group]
    return _stack([(rows, 0) for rows in packed])


def _stack(rows: list[tuple[Packed, int]]) -> Packed:
    return Packed(
        torch.stack([packed.inputs[i] for packed, i in rows]),
        torch.stack([packed.targets[i] for packed, i in rows]),
    )
