"""A quality filter that was learned: scores for a few documents, a cheap model for all of them.

FineWeb-Edu (Penedo et al. 2024, section 4) had Llama-3-70B-Instruct score 460,000 pages from 0 to
5 by an additive rubric, fitted a linear regression on a frozen embedding model's vectors to those
scores, ran it over 15 T tokens and kept pages that scored at least 3. DCLM (Li et al. 2024) uses
a fastText model on n-grams in the same place. Deviations: the rubric is a function of ours instead
of a large model's opinion, and TF-IDF of words and word pairs stands for the embedding.

`rubric` is for documentation: it rewards text that explains. Change it and the filter learns
another taste. That is the point: a classifier filter is a taste, made cheap.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge

from course_lib.data.filtering.quality import Verdict

SENTENCE = re.compile(r"[A-Z][^.!?\n]{0,300}+(?:\n[^.!?\n]{1,300}+){0,20}+[.!?](?=\s|$)")
CONNECTIVE = re.compile(
    r"\b(?:because|therefore|so that|since|for example|for instance|e\.g|that is|i\.e"
    r"|in other words|means|note that|however|otherwise|instead)\b",
    re.I,
)
EXAMPLE = re.compile(
    r">>>|^[^\S\n]{0,99}Examples?\b|for example|for instance|::\s{0,99}$", re.I | re.M
)


@dataclass(frozen=True)
class Scored:
    """A score from 0 to 5 and the points that it is the sum of."""

    score: int
    points: tuple[str, ...]


def rubric(text: str) -> Scored:
    """One point each for: sentences, several sentences, reasons, an example, a clean flow."""
    words = text.split()
    sentences = SENTENCE.findall(text)
    in_sentences = sum(len(sentence.split()) for sentence in sentences)
    different = len({word.lower() for word in words})
    tests = {
        "has sentences": len(sentences) >= 2,
        "is mostly sentences": bool(words) and in_sentences >= 0.5 * len(words),
        "says why or what it means": len(CONNECTIVE.findall(text)) >= 1,
        "gives an example": bool(EXAMPLE.search(text)),
        "goes into detail": len(sentences) >= 5 and different >= 60,
    }
    points = tuple(name for name, met in tests.items() if met)
    return Scored(len(points), points)


class QualityClassifier:
    """Ridge regression of a score on TF-IDF of words and word pairs."""

    def __init__(self, threshold: float = 3.0, penalty: float = 1.0, most_features: int = 30_000):
        self.threshold = threshold
        self.features = TfidfVectorizer(
            ngram_range=(1, 2),
            min_df=2,
            max_features=most_features,
            sublinear_tf=True,
            token_pattern=r"(?u)\b\w+\b|>>>|[{}|#]",
        )
        self.model = Ridge(alpha=penalty)

    def fit(self, texts: Sequence[str], scores: Sequence[int | float]) -> "QualityClassifier":
        """Least squares with an L2 penalty: min |X w + b - scores|² + penalty |w|²."""
        if len(texts) != len(scores) or len(texts) < 2:
            raise ValueError(
                f"{len(texts)} texts and {len(scores)} scores: expected as many of "
                "each, and at least 2"
            )
        if len(set(scores)) == 1:
            raise ValueError(f"every score is {scores[0]}: nothing can be learned from that")
        self.model.fit(self.features.fit_transform(texts), scores)
        self.names = self.features.get_feature_names_out()
        return self

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        """Predicted scores, not rounded; a linear model may leave the scale from 0 to 5."""
        return self.model.predict(self.features.transform(texts))

    def judge(self, text: str) -> Verdict:
        """Keep a text that scores at least `threshold`; a refusal names the terms against it."""
        vector = self.features.transform([text])
        score = float(self.model.predict(vector)[0])
        if score >= self.threshold:
            return Verdict(True)
        pull = vector.data * self.model.coef_[vector.indices]
        worst = vector.indices[np.argsort(pull)[:3]] if len(pull) else []
        against = ", ".join(repr(str(self.names[i])) for i in worst) or "no known term"
        return Verdict(
            False, "low score", f"{score:.2f}, at least {self.threshold:g}; against it: {against}"
        )
