"""A filter by perplexity: how surprised is a model of trusted text?

CCNet (Wenzek et al. 2020, section 4) trained a 5-gram model on Wikipedia and cut each language's
web pages into three equal parts, *head*, *middle* and *tail*, by their perplexity. Deviations: a
character model, because our trusted text is a thousandth of Wikipedia; and two thresholds, taken
from trusted text that the model was not fitted on. Too surprising is noise. Too *un*surprising is
repetition: the model that reads `spam spam spam` is soon sure of what comes next.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from course_lib.data.filtering.character_model import CharacterModel
from course_lib.data.filtering.quality import Verdict


@dataclass(frozen=True, kw_only=True)
class PerplexityRules:
    """Bounds in bits a character. Only the first `most` characters of a text are read."""

    low: float
    high: float
    most: int = 1_000

    def __post_init__(self):
        if not 0 <= self.low < self.high:
            raise ValueError(f"low={self.low} must be at least 0 and below high={self.high}")
        if self.most < 1:
            raise ValueError(f"most={self.most}: expected at least 1 character")


def bounds(
    model: CharacterModel,
    trusted: Sequence[str],
    *,
    lower: float = 0.01,
    upper: float = 0.95,
    most: int = 1_000,
) -> PerplexityRules:
    """Thresholds that keep all but the lowest `lower` and the highest 1 - `upper` of trusted text.

    `trusted` must not be the text that the model was fitted on: its own text surprises it less.
    """
    if not trusted:
        raise ValueError("trusted is empty: thresholds are quantiles of trusted texts")
    figures = [model.bits_per_character(text[:most]) for text in trusted]
    low, high = np.quantile(figures, [lower, upper])
    return PerplexityRules(low=float(low), high=float(high), most=most)


def judge_perplexity(text: str, model: CharacterModel, rules: PerplexityRules) -> Verdict:
    """Refused as "too surprising" or "too predictable", with the figure in bits a character."""
    if not text.strip():
        return Verdict(False, "empty", "0 characters, at least 1")
    figure = model.bits_per_character(text[: rules.most])
    if figure > rules.high:
        reason = f"{figure:.2f} bits a character, at most {rules.high:.2f}"
        return Verdict(False, "too surprising", reason)
    if figure < rules.low:
        reason = f"{figure:.2f} bits a character, at least {rules.low:.2f}"
        return Verdict(False, "too predictable", reason)
    return Verdict(True)
