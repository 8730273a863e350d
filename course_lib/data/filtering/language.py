"""Which language is a text in? One character model a language, and Bayes' rule.

    P(language | text) = p(text | language) / Σ p(text | other language)

with equal priors. Source: Dunning 1994, "Statistical Identification of Language", which compares
Markov models of characters in just this way. Peers at work are fastText's `lid.176` (a linear
model on hashed n-grams, 176 languages) and `py3langid` (naive Bayes, 97 languages).

Neighbouring characters are far from independent evidence, so P is close to 0 or 1 for all but the
shortest texts. That makes it a poor measure of doubt: a keyboard mash is "German, 1.00" where
German is the least unlikely. So a text must also pass `most_bits`: no language at all is an answer.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from course_lib.data.filtering.character_model import CharacterModel
from course_lib.data.filtering.quality import Verdict

NO_LANGUAGE = "none"


@dataclass(frozen=True)
class Guess:
    """The likeliest language, its probability among those known, and the text's surprise."""

    language: str
    probability: float
    bits_per_character: float


class LanguageIdentifier:
    """Fitted on a few texts of each language; `SAMPLES` in `language_samples` are enough."""

    def __init__(self, order: int = 4, most_bits: float = 6.8, most: int = 200):
        """most_bits: above so many bits a character, a text is in none of the known languages.

        most: how many characters of a text are read; a language shows itself early.
        A character that no sample holds is one of 256 equally likely ones.
        """
        self.order, self.most_bits, self.most = order, most_bits, most
        self.models: dict[str, CharacterModel] = {}

    def fit(self, samples: Mapping[str, Sequence[str]]) -> "LanguageIdentifier":
        """One model a language, all over the same alphabet. Case is ignored."""
        if len(samples) < 2:
            raise ValueError(f"samples hold {len(samples)} language(s): expected at least 2")
        for language, texts in samples.items():
            if language == NO_LANGUAGE or not any(texts):
                raise ValueError(
                    f"language {language!r}: expected a name other than "
                    f"{NO_LANGUAGE!r} and at least one text"
                )
            model = CharacterModel(self.order, alphabet=256)
            self.models[language] = model.fit(f" {text.lower()} " for text in texts)
        return self

    def guess(self, text: str) -> Guess:
        """The posterior's peak, or NO_LANGUAGE where even the best model is too surprised."""
        if not self.models:
            raise ValueError("no language is known yet: call fit first")
        text = f" {' '.join(text.lower().split())[: self.most]} "
        bits = {language: model.bits(text) for language, model in self.models.items()}
        best = min(bits, key=lambda language: (bits[language], language))
        evidence = sum(math.exp2(bits[best] - other) for other in bits.values())
        per_character = bits[best] / len(text)
        name = best if per_character <= self.most_bits else NO_LANGUAGE
        return Guess(name, 1 / evidence, per_character)

    def judge(self, text: str, wanted: str = "en", least: float = 0.65) -> Verdict:
        """Keep texts of one language. 0.65 is FineWeb's threshold (Penedo et al. 2024, 3.3)."""
        if wanted not in self.models:
            raise ValueError(f"wanted={wanted!r} is not one of {', '.join(sorted(self.models))}")
        found = self.guess(text)
        if found.language == NO_LANGUAGE:
            reason = f"{found.bits_per_character:.1f} bits a character, at most {self.most_bits:g}"
            return Verdict(False, "no known language", reason)
        if found.language != wanted or found.probability < least:
            reason = f"{found.language} with probability {found.probability:.2f}, wanted {wanted}"
            return Verdict(False, "other language", reason)
        return Verdict(True)
