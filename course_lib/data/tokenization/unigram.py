r"""Unigram: start with too many pieces, weigh them by EM, drop the ones that matter least.

Source: Kudo 2018 (section 3.2): a text is drawn piece by piece, P(x) = \prod_i p(x_i); training
maximises the likelihood summed over all ways to cut the text (EM), then prunes; encoding takes
the single most likely cut (Viterbi).

Deviations: plain EM without SentencePiece's digamma smoothing; the seed is every substring up to
`longest` characters that occurs twice, not the best ones of a suffix array; the loss of a piece is
estimated from its own best second cut.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping

Scores = dict[str, float]  # piece to natural logarithm of its probability
UNKNOWN_PENALTY = 10.0  # below the rarest piece, as in SentencePiece


def viterbi(
    word: str, scores: Mapping[str, float], longest: int | None = None, without: str | None = None
) -> tuple[list[str], float]:
    """The most likely cut of `word` and its log probability. Time: len(word) x longest piece.

    A character that no piece covers stands for itself, at ten nats below the rarest piece.
    `without` is a piece that may not be used.
    """
    if not scores:
        raise ValueError("scores is empty: expected at least one piece")
    longest = longest or max(map(len, scores))
    unknown = min(scores.values()) - UNKNOWN_PENALTY
    best = [0.0] + [-math.inf] * len(word)  # of the first i characters
    start = [0] * (len(word) + 1)
    for end in range(1, len(word) + 1):
        for begin in range(max(0, end - longest), end):
            piece = word[begin:end]
            score = scores.get(piece) if piece != without else None
            if score is None and end - begin == 1:
                score = unknown
            if score is not None and best[begin] + score > best[end]:
                best[end], start[end] = best[begin] + score, begin
    pieces, end = [], len(word)
    while end:
        pieces.append(word[start[end] : end])
        end = start[end]
    return pieces[::-1], best[-1]


def expected_counts(
    word: str, scores: Mapping[str, float], longest: int
) -> tuple[dict[str, float], float]:
    """How often each piece is used, on average over all cuts; and log P(word), summed over cuts.

    Forward-backward: alpha[i] is the probability of the first i characters, beta[i] of the rest;
    the piece from i to j is used with probability alpha[i] p(piece) beta[j] / P(word). All of it in
    logarithms: the probability of 150 characters is smaller than any float.
    """
    n = len(word)
    edges = [
        (i, j, scores[word[i:j]])
        for j in range(1, n + 1)
        for i in range(max(0, j - longest), j)
        if word[i:j] in scores
    ]
    into: list[list[tuple[int, float]]] = [[] for _ in range(n + 1)]
    out: list[list[tuple[int, float]]] = [[] for _ in range(n + 1)]
    for i, j, score in edges:
        into[j].append((i, score))
        out[i].append((j, score))
    alpha, beta = [0.0] + [-math.inf] * n, [-math.inf] * n + [0.0]
    for j in range(1, n + 1):
        alpha[j] = _log_sum([alpha[i] + score for i, score in into[j]])
    for i in range(n - 1, -1, -1):
        beta[i] = _log_sum([score + beta[j] for j, score in out[i]])
    if alpha[n] == -math.inf:
        raise ValueError(f"no cut of {word!r} has pieces in the vocabulary")
    counts: dict[str, float] = defaultdict(float)
    for i, j, score in edges:
        counts[word[i:j]] += math.exp(alpha[i] + score + beta[j] - alpha[n])
    return counts, alpha[n]


def _log_sum(logs: list[float]) -> float:
    """log of the sum of e^x; of nothing, the logarithm of 0."""
    top = max(logs, default=-math.inf)
    return top if top == -math.inf else top + math.log(sum(math.exp(x - top) for x in logs))


def em_step(counts: Mapping[str, int], scores: Scores) -> tuple[Scores, float]:
    """New scores from expected counts, and the log likelihood (nats) of the old ones.

    Single characters stay, however rare, so that every word keeps a cut.
    """
    longest = max(map(len, scores))
    total: dict[str, float] = defaultdict(float)
    likelihood = 0.0
    for word, n in counts.items():
        used, log_p = expected_counts(word, scores, longest)
        likelihood += n * log_p
        for piece, share in used.items():
            total[piece] += n * share
    kept = {p: max(c, 1e-6) for p, c in total.items() if c > 1e-6 or len(p) == 1}
    norm = math.log(sum(kept.values()))
    return {piece: math.log(c) - norm for piece, c in kept.items()}, likelihood


def seed_pieces(counts: Mapping[str, int], size: int, longest: int) -> Scores:
    """Characters, and the `size` substrings that cover the most text (count x length)."""
    found: Counter[str] = Counter()
    for word, n in counts.items():
        for begin in range(len(word)):
            for end in range(begin + 1, min(len(word), begin + longest) + 1):
                found[word[begin:end]] += n
    single = {piece for piece in found if len(piece) == 1}
    ranked = sorted(
        (p for p in found if len(p) > 1 and found[p] > 1), key=lambda p: (-found[p] * len(p), p)
    )
    kept = {piece: found[piece] for piece in [*sorted(single), *ranked[:size]]}
    norm = math.log(sum(kept.values()))
    return {piece: math.log(count) - norm for piece, count in kept.items()}


def prune(counts: Mapping[str, int], scores: Scores, keep: int) -> Scores:
    """The `keep` pieces whose loss would cost the most likelihood; characters always stay.

    A piece used f times costs f (its score - the score of the best cut of itself without it).
    """
    longest = max(map(len, scores))
    used: Counter[str] = Counter()
    for word, n in counts.items():
        for piece in viterbi(word, scores, longest)[0]:
            used[piece] += n
    single = [piece for piece in scores if len(piece) == 1]
    cost = {
        piece: used[piece] * (score - viterbi(piece, scores, longest, without=piece)[1])
        for piece, score in scores.items()
        if len(piece) > 1
    }
    ranked = sorted(cost, key=lambda piece: (-cost[piece], piece))
    return {piece: scores[piece] for piece in [*single, *ranked[: max(0, keep - len(single))]]}


def train_unigram(
    counts: Mapping[str, int],
    vocab_size: int,
    *,
    longest: int = 8,
    seed_factor: int = 4,
    shrink: float = 0.75,
    em_steps: int = 2,
) -> Scores:
    """Pieces with their log probabilities: seed, then (EM, prune) until `vocab_size` are left."""
    counts = {word: n for word, n in counts.items() if word and n != 0}
    if not counts:
        raise ValueError("counts is empty: expected at least one word")
    for word, n in counts.items():
        if not 0 < n < math.inf:
            raise ValueError(f"counts[{word!r}]={n}: expected how often the word occurs")
    if longest < 1 or seed_factor < 1 or em_steps < 1 or not 0 < shrink < 1:
        raise ValueError(
            f"longest={longest}, seed_factor={seed_factor}, em_steps={em_steps}, shrink={shrink}: "
            "expected at least 1 each, and shrink between 0 and 1"
        )
    characters = {letter for word in counts for letter in word}
    if vocab_size < len(characters):
        raise ValueError(
            f"vocab_size={vocab_size} is too small: the characters alone need {len(characters)}"
        )
    scores = seed_pieces(counts, seed_factor * vocab_size, longest)
    while True:
        for _ in range(em_steps):
            scores, _ = em_step(counts, scores)
        if len(scores) <= vocab_size:
            return scores
        scores = prune(counts, scores, max(vocab_size, int(shrink * len(scores))))
