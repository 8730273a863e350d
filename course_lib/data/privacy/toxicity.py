"""Filters for abuse: a list of words, and a classifier; each gives its reason.

Both judge the surface. What they drop besides abuse (quotations, medicine, law, code, people who
say who they are) is measured on the page *Personal data and abuse*.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from course_lib.data.filtering.quality import Verdict

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")


@dataclass(frozen=True)
class Lexicon:
    """Refuse a text that holds a listed word or phrase. `most`: hits that are still accepted.

    Words match whole, in any case: `Scunthorpe` and `cockpit` were victims of lists that matched
    inside words. Raises ValueError for an empty list, or an entry that no text can hold.
    """

    entries: frozenset[str]
    most: int = 0

    def __post_init__(self):
        if not self.entries:
            raise ValueError("entries is empty: a lexicon needs at least one word")
        for entry in self.entries:
            if entry != " ".join(word.lower() for word in WORD.findall(entry)) or not entry:
                raise ValueError(
                    f"entry {entry!r}: expected words in lower case, single spaces between them"
                )

    def hits(self, text: str) -> list[str]:
        """The listed words and phrases of a text, in order, repeats included."""
        words = [word.lower() for word in WORD.findall(text)]
        longest = max(entry.count(" ") + 1 for entry in self.entries)
        return [
            phrase
            for i in range(len(words))
            for n in range(1, longest + 1)
            if i + n <= len(words) and (phrase := " ".join(words[i : i + n])) in self.entries
        ]

    def verdict(self, text: str) -> Verdict:
        found = self.hits(text)
        if len(found) <= self.most:
            return Verdict(True)
        return Verdict(False, "lexicon", f"{len(found)} hits: {', '.join(sorted(set(found)))}")


@dataclass(frozen=True)
class Classifier:
    """A linear model over words and pairs of words, with the threshold at which it refuses."""

    vectoriser: Any
    model: Any
    threshold: float = 0.5

    def scores(self, texts: Sequence[str]) -> list[float]:
        """The probability of abuse of each text, as the model sees it."""
        return self.model.predict_proba(self.vectoriser.transform(texts))[:, 1].tolist()

    def verdict(self, text: str) -> Verdict:
        """Keep or refuse; the reason names the score and the words that pushed it up most."""
        score = self.scores([text])[0]
        if score < self.threshold:
            return Verdict(True)
        return Verdict(False, "classifier", f"{score:.2f}: {', '.join(self.because(text))}")

    def because(self, text: str, most: int = 3) -> list[str]:
        """The words and pairs whose weight, times how much they count here, is the largest."""
        row = self.vectoriser.transform([text]).tocoo()
        names, weights = self.vectoriser.get_feature_names_out(), self.model.coef_[0]
        pushed = sorted(
            ((value * weights[i], names[i]) for i, value in zip(row.col, row.data, strict=True)),
            reverse=True,
        )
        return [str(name) for push, name in pushed[:most] if push > 0]


def train_classifier(
    texts: Iterable[str], abusive: Iterable[bool], *, threshold: float = 0.5
) -> Classifier:
    """TF-IDF of words and pairs, then logistic regression: the recipe of fast quality filters.

    Raises ValueError unless both classes occur.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    texts, labels = list(texts), [bool(label) for label in abusive]
    if len(set(labels)) < 2:
        raise ValueError(f"all {len(labels)} examples have one label: a classifier needs both")
    vectoriser = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = LogisticRegression(C=10.0, max_iter=1000)
    model.fit(vectoriser.fit_transform(texts), labels)
    return Classifier(vectoriser, model, threshold)
