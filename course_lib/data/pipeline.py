"""Raw records to training records: clean, judge, deduplicate; and an account of every loss."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from course_lib.data.deduplication.deduplicate import DedupConfig, deduplicate
from course_lib.data.extraction.clean import clean
from course_lib.data.filtering.quality import QualityRules, judge
from course_lib.data.records import Record


@dataclass(frozen=True)
class Dropped:
    """A record that did not get through: at which step, by which rule, and why."""

    record: Record
    step: str
    rule: str
    reason: str


@dataclass(frozen=True)
class Prepared:
    """What is left, what was dropped, and in how many records each repair changed something."""

    kept: list[Record]
    dropped: list[Dropped]
    repaired: dict[str, int]
    compared: int  # pairs of documents whose true similarity was computed

    def account(self) -> list[dict]:
        """A row for each rule that dropped something: documents, bytes and an example."""
        total = len(self.kept) + len(self.dropped)
        groups: dict[tuple[str, str], list[Dropped]] = {}
        for drop in self.dropped:
            groups.setdefault((drop.step, drop.rule), []).append(drop)
        return [
            {
                "step": step,
                "rule": rule,
                "documents": len(drops),
                "share": len(drops) / total,
                "bytes": sum(map(_size, drops)),
                "for example": f"{drops[0].record.id.split('/', 1)[-1]}: {drops[0].reason}",
            }
            for (step, rule), drops in groups.items()
        ]


def prepare(
    records: Iterable[Record], rules: QualityRules | None = None, dedup: DedupConfig | None = None
) -> Prepared:
    """Run the three steps. Records come out in their order, with cleaned text."""
    repaired: Counter = Counter()
    passed, dropped = [], []
    for record in records:
        cleaned = clean(record.text)
        repaired.update(cleaned.changes.keys())
        record = replace(record, text=cleaned.text)
        verdict = judge(record.text, rules)
        if verdict.keep:
            passed.append(record)
        else:
            dropped.append(Dropped(record, "quality", verdict.rule, verdict.reason))
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


def _size(drop: Dropped) -> int:
    return len(drop.record.text.encode())
