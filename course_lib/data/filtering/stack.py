"""Several filters in a row, the cheapest first: the first that refuses a document decides."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from course_lib.data.filtering.character_model import CharacterModel
from course_lib.data.filtering.language import LanguageIdentifier
from course_lib.data.filtering.language_samples import SAMPLES
from course_lib.data.filtering.perplexity import bounds, judge_perplexity
from course_lib.data.filtering.quality import Verdict
from course_lib.data.filtering.web_rules import fineweb, gopher, repetition
from course_lib.data.records import Record

Judge = Callable[[str], Verdict]


@dataclass(frozen=True)
class Filtered:
    """What is left, and every loss with its verdict."""

    kept: list[Record]
    dropped: list[tuple[Record, Verdict]]

    def reasons(self) -> Counter[str]:
        """How many documents each rule refused. With the kept ones they add up to the input."""
        return Counter(verdict.rule for _, verdict in self.dropped)


def first_refusal(judges: Mapping[str, Judge], text: str) -> Verdict:
    """The verdict of the first judge that refuses the text, or a verdict to keep."""
    for judge in judges.values():
        verdict = judge(text)
        if not verdict.keep:
            return verdict
    return Verdict(True)


def apply(judges: Mapping[str, Judge], records: Iterable[Record]) -> Filtered:
    """Sort records into kept and dropped; both keep their order."""
    kept, dropped = [], []
    for record in records:
        verdict = first_refusal(judges, record.text)
        if verdict.keep:
            kept.append(record)
        else:
            dropped.append((record, verdict))
    return Filtered(kept, dropped)


def web_stack(trusted: Sequence[str], order: int = 5) -> dict[str, Judge]:
    """Gopher, FineWeb, language, perplexity: FineWeb's order, less URLs and C4's end marks.

    trusted: texts that are surely good. Three quarters fit the perplexity model, one quarter sets
    its thresholds.
    """
    if len(trusted) < 8:
        raise ValueError(f"{len(trusted)} trusted texts: expected at least 8")
    language = LanguageIdentifier().fit(SAMPLES)
    cut = 3 * len(trusted) // 4
    model = CharacterModel(order).fit(trusted[:cut])
    rules = bounds(model, trusted[cut:])
    return {
        "gopher": gopher,
        "fineweb": fineweb,
        "repetition": repetition,
        "language": language.judge,
        "perplexity": lambda text: judge_perplexity(text, model, rules),
    }
