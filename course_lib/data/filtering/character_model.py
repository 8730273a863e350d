"""A character n-gram model: small enough for a filter, honest enough to be a language model.

Two filters rest on it. One model of trusted text gives a text's surprise in bits a character
(`course_lib.data.filtering.perplexity`); one model a language tells languages apart
(`course_lib.data.filtering.language`).
"""

import math
from collections import Counter
from collections.abc import Iterable


class CharacterModel:
    r"""Interpolated Witten-Bell estimates over characters.

    For a context h (at most order - 1 characters) that was seen c(h) times, followed by u(h)
    different characters::

        p(x | h) = (c(h x) + u(h) p(x | h')) / (c(h) + u(h))

    where h' is h without its oldest character; the empty context falls back on 1 / `alphabet`.
    Source: Witten & Bell 1991, method C, as interpolated by Chen & Goodman 1999, section 2.5.
    `course_lib.pretraining.base.ngram.NGram` is the same model over tokens and gives the same
    numbers; this one counts strings with `Counter`, which is some ten times faster to fit.
    """

    def __init__(self, order: int = 4, alphabet: int = 1_114_112):
        """alphabet: how many characters there are at all; Unicode has 17 x 65,536 places."""
        if order < 1 or alphabet < 1:
            raise ValueError(f"order={order}, alphabet={alphabet}: expected at least 1")
        self.order, self.alphabet = order, alphabet
        self.counts: Counter[str] = Counter()  # n-grams of 1 to order characters
        self.totals: Counter[str] = Counter()  # c(h)
        self.followers: Counter[str] = Counter()  # u(h)
        self._bits: dict[str, float] = {}  # of the n-grams that were asked for

    def fit(self, texts: Iterable[str]) -> "CharacterModel":
        """Count the n-grams of every text; a text begins without context. Returns the model."""
        for text in texts:
            for size in range(1, self.order + 1):
                self.counts.update(text[i : i + size] for i in range(len(text) - size + 1))
        for table in (self.totals, self.followers, self._bits):
            table.clear()
        for gram, count in self.counts.items():
            self.totals[gram[:-1]] += count
            self.followers[gram[:-1]] += 1
        return self

    def probability(self, character: str, context: str) -> float:
        """p(character | context); only the last order - 1 characters of the context count."""
        p = 1 / self.alphabet
        longest = min(len(context), self.order - 1)
        for size in range(longest + 1):
            history = context[len(context) - size :]
            total = self.totals.get(history, 0)
            if not total:
                break  # a context that was never seen has no longer one that was
            different = self.followers[history]
            p = (self.counts.get(history + character, 0) + different * p) / (total + different)
        return p

    def bits(self, text: str) -> float:
        """-log2 p(text), character by character."""
        total, known = 0.0, self._bits
        for end in range(1, len(text) + 1):
            gram = text[max(0, end - self.order) : end]
            if gram not in known:
                known[gram] = -math.log2(self.probability(gram[-1], gram[:-1]))
            total += known[gram]
        return total

    def bits_per_character(self, text: str) -> float:
        """The text's surprise; perplexity a character is 2 to this power."""
        if not text:
            raise ValueError("text is empty: there is no mean of nothing")
        return self.bits(text) / len(text)
