"""Raw records to token shards: clean, judge, deduplicate, encode; an account of every loss."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from course_lib.data.deduplication.deduplicate import DedupConfig, deduplicate
from course_lib.data.extraction.clean import clean
from course_lib.data.filtering.quality import QualityRules, judge
from course_lib.data.mixing.shards import SHARD_TOKENS, Encoder, Shards, write_tokens
from course_lib.data.records import Record
from course_lib.data.sources.formats import Account
from course_lib.data.sources.source import source
from course_lib.data.tokenization.tokenizer import train_bpe

RULES, DEDUP = QualityRules(), DedupConfig()  # of both steps, where nobody asks for others


@dataclass(frozen=True)
class Dropped:
    """A record that did not get through: at which step, by which rule, and why."""

    record: Record
    step: str
    rule: str
    reason: str


@dataclass
class Losses:
    """What was dropped, by step and rule: documents, bytes and the first of them."""

    kept: int = 0
    groups: dict[tuple[str, str], list] = field(default_factory=dict)

    def add(self, drop: Dropped) -> None:
        example = f"{drop.record.id.split('/', 1)[-1]}: {drop.reason}"
        group = self.groups.setdefault((drop.step, drop.rule), [0, 0, example])
        group[0] += 1
        group[1] += len(drop.record.text.encode())

    def count(self, records: Iterator[Record]) -> Iterator[Record]:
        """Hand records on, and count them as kept."""
        for record in records:
            self.kept += 1
            yield record

    def rows(self) -> list[dict]:
        """A row for each rule that dropped something."""
        total = self.kept + sum(documents for documents, _, _ in self.groups.values())
        return [
            {
                "step": step,
                "rule": rule,
                "documents": documents,
                "share": documents / total,
                "bytes": size,
                "for example": example,
            }
            for (step, rule), (documents, size, example) in self.groups.items()
        ]


@dataclass(frozen=True)
class Prepared:
    """What is left, what was dropped, and in how many records each repair changed something."""

    kept: list[Record]
    dropped: list[Dropped]
    repaired: dict[str, int]
    compared: int  # pairs of documents whose true similarity was computed

    def account(self) -> list[dict]:
        """A row for each rule that dropped something: documents, bytes and an example."""
        return self.losses().rows()

    def losses(self) -> "Losses":
        """The same before it is a table."""
        losses = Losses(kept=len(self.kept))
        for drop in self.dropped:
            losses.add(drop)
        return losses


def prepare(
    records: Iterable[Record],
    rules: QualityRules | None = RULES,
    dedup: DedupConfig | None = DEDUP,
) -> Prepared:
    """Clean, judge and deduplicate. Records come out in their order, with cleaned text.

    Without `rules` nothing is judged, without `dedup` nothing is compared.
    """
    repaired: Counter = Counter()
    dropped: list[Dropped] = []
    passed = list(sift(records, rules, dropped.append, repaired))
    if dedup is None:
        return Prepared(passed, dropped, dict(repaired), 0)
    unique = deduplicate(
        [record.text for record in passed], dedup, keys=[record.id for record in passed]
    )
    for removal in unique.removed:
        twin = passed[removal.witness].id.split("/", 1)[-1]
        alike = "a shared band" if removal.score is None else f"Jaccard {removal.score:.2f}"
        dropped.append(
            Dropped(passed[removal.index], "duplicates", removal.kind, f"{alike} with {twin}")
        )
    return Prepared([passed[i] for i in unique.kept], dropped, dict(repaired), unique.compared)


def sift(
    records: Iterable[Record],
    rules: QualityRules | None,
    drop: Callable[[Dropped], None],
    repaired: Counter,
) -> Iterator[Record]:
    """The steps that look at one record: clean it, judge it, hand it on or `drop` it.

    One record at a time, so a stream of any length goes through.
    """
    for record in records:
        cleaned = clean(record.text)
        repaired.update(cleaned.changes.keys())
        record = replace(record, text=cleaned.text)
        verdict = judge(record.text, rules) if rules else None
        if verdict is None or verdict.keep:
            yield record
        else:
            drop(Dropped(record, "quality", verdict.rule, verdict.reason))


def prepare_tokens(
    records: Iterable[Record],
    tokenizer: Encoder,
    folder: Path,
    *,
    rules: QualityRules | None = RULES,
    dedup: DedupConfig | None = None,
    most: int | None = None,
    shard_tokens: int = SHARD_TOKENS,
) -> Shards:
    """Any source to shards, which `mixing.loader` feeds; `account.json` says what was lost.

    Records are taken until `most` tokens are written, or all. With `dedup` they are all held in
    memory first, since every one is compared with the others; without it nothing is, and they
    stream (`data.scale` deduplicates what no memory holds).
    """
    if dedup is not None:
        prepared = prepare(records, rules, dedup)
        losses, repaired, left = prepared.losses(), prepared.repaired, iter(prepared.kept)
    else:
        losses, repaired = Losses(), Counter()
        left = losses.count(sift(records, rules, losses.add, repaired))
    texts = (record.text for record in left)
    shards = write_tokens(texts, tokenizer, folder, most=most, shard_tokens=shard_tokens)
    steps = {"judged": rules is not None, "deduplicated": dedup is not None}
    _write_account(folder, steps, losses, repaired)
    return shards


def prepare_text(
    path: Path,
    folder: Path,
    vocab_size: int,
    *,
    rules: QualityRules | None = None,
    dedup: DedupConfig | None = DEDUP,
) -> Shards:
    """Your own text, a file or a folder of them, to shards, with a tokenizer learned from it.

    Writes `tokenizer.json`, the shards and `account.json` to `folder`. Nothing is judged unless you
    give `rules`: the default ones are for English prose. Raises ValueError where nothing is left.
    """
    read = Account()
    prepared = prepare(source(f"files:{path}", account=read), rules, dedup)
    if not prepared.kept:
        reasons = dict(read.refused) | {row["rule"]: row["documents"] for row in prepared.account()}
        lost = f"dropped: {reasons}" if reasons else "there is no text in it"
        raise ValueError(f"{path}: no document is left to train on; {lost}")
    tokenizer = train_bpe([record.text for record in prepared.kept], vocab_size)
    shards = write_tokens((record.text for record in prepared.kept), tokenizer, folder)
    tokenizer.save(folder / "tokenizer.json")
    steps = {"judged": rules is not None, "deduplicated": dedup is not None}
    steps["unreadable"] = dict(read.refused)
    _write_account(folder, steps, prepared.losses(), prepared.repaired)
    return shards


def _write_account(folder: Path, steps: dict, losses: Losses, repaired: dict[str, int]) -> None:
    lines = {"kept": losses.kept, "repaired": repaired, "dropped": losses.rows()}
    text = json.dumps(steps | lines, indent=1, ensure_ascii=False)
    (folder / "account.json").write_text(text + "\n", encoding="utf-8")
