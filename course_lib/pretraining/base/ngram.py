"""The oldest language model: counts of the last few tokens, the baseline to beat."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence


class NGram:
    r"""An interpolated n-gram model with Witten-Bell smoothing.

    For a context h that was seen c(h) times, followed by u(h) different tokens::

        p(w | h) = (c(h w) + u(h) p(w | h')) / (c(h) + u(h))

    where h' is h without its oldest token, and the empty context backs off to the uniform
    distribution. A context that was followed by many different tokens trusts its own counts less.
    Source: Witten & Bell 1991, method C, in the interpolated form of Chen & Goodman 1999, 2.5.
    """

    def __init__(self, order: int, vocab_size: int):
        if order < 1 or vocab_size < 1:
            raise ValueError(f"order={order}, vocab_size={vocab_size}: expected at least 1")
        self.order, self.vocab_size = order, vocab_size
        self.counts: dict[tuple[int, ...], dict[int, int]] = defaultdict(dict)
        self.totals: dict[tuple[int, ...], int] = defaultdict(int)

    def fit(self, documents: Iterable[Sequence[int]]) -> "NGram":
        """Count every token after each of its contexts of 0 to order - 1 tokens."""
        for document in documents:
            for i, token in enumerate(document):
                for length in range(min(self.order - 1, i) + 1):
                    context = tuple(document[i - length : i])
                    followers = self.counts[context]
                    followers[token] = followers.get(token, 0) + 1
                    self.totals[context] += 1
        return self

    def probability(self, token: int, context: Sequence[int]) -> float:
        """p(token | context); only the last order - 1 tokens of the context count."""
        context = tuple(context[max(0, len(context) - self.order + 1) :])
        p = 1 / self.vocab_size
        for start in range(len(context), -1, -1):
            history = context[start:]
            total = self.totals.get(history, 0)
            if not total:
                break  # a context that was never seen has no longer one that was
            followers = self.counts[history]
            p = (followers.get(token, 0) + len(followers) * p) / (total + len(followers))
        return p

    def nats(self, document: Sequence[int]) -> float:
        """Surprisal of a document, token by token."""
        return -sum(
            math.log(self.probability(token, document[:i])) for i, token in enumerate(document)
        )
