"""Speculative decoding: which drafted tokens the target keeps, and what it adds."""

import itertools
from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.checks.exercise import Case, Exercise, Property

Call = tuple[Tensor, Tensor, list[int], list[float]]
SIZES = (  # drafts, how many are kept, vocabulary. Many, since two rules may draw the same token
    ("one draft, rejected", 1, 0, 5),
    ("one draft, kept", 1, 1, 5),
    ("two drafts, both kept", 2, 2, 12),
    ("three drafts, the second is rejected", 3, 1, 12),
    ("three drafts, all kept", 3, 3, 15),
    ("four drafts, all kept", 4, 4, 12),
    ("four drafts, the last is rejected", 4, 3, 12),
    ("five drafts, the first is rejected", 5, 0, 15),
    ("five drafts, all kept", 5, 5, 20),
    ("five drafts, the third is rejected", 5, 2, 20),
)


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)

    def case(what: str, drafts: int, kept: int, vocab: int, edge: bool = False) -> Case:
        call = None
        while call is None or not _tells_apart(call, kept):
            call = _call(drafts, kept, vocab, generator)
        return Case(what, call, edge)

    cases = [case(what, *sizes) for what, *sizes in SIZES]
    return [
        *cases,
        case("no draft at all", 0, 0, 5, edge=True),
        Case("the draft is the target", _agreeing(generator), edge=True),
    ]


def _tells_apart(call: Call, kept: int) -> bool:
    """Whether the call shows what is right: its token is no 0 or 1, which might be luck, and other
    ways to draw it give another token.
    """
    target, draft, tokens, uniforms = call
    p, u, right = target[kept], uniforms[-1], _right(*call)
    if len(right) != kept + 1 or right[-1] < 2:
        return False
    if kept == len(tokens):
        return not kept or right[-1] not in (int(p.argmax()), _drawn(target[kept - 1], u))
    others = [_drawn(p, u), _drawn((p - draft[kept]).abs(), u)]
    return right[-1] not in (others if len(p) > 5 else others[:1])


def _call(drafts: int, kept: int, vocab: int, generator: torch.Generator) -> Call:
    """Random distributions, with tokens and uniforms such that the first ``kept`` drafts pass."""
    scores = torch.randn(2 * drafts + 1, vocab, generator=generator)
    p, q = scores[: drafts + 1].softmax(-1), scores[drafts + 1 :].softmax(-1)
    chance = torch.rand(drafts + 1, generator=generator, dtype=torch.float64).tolist()
    tokens, uniforms = [], []
    for i in range(drafts):
        ratio = p[i] / q[i]
        wanted = ratio > 0.3 if i != kept else ratio < 0.7
        weights = torch.where(wanted, q[i], 1e-9 * q[i])
        token = int(torch.multinomial(weights, 1, generator=generator))
        edge = min(1.0, ratio[token].item())
        low, high = (0.0, edge) if i != kept else (edge, 1.0)
        tokens.append(token)
        uniforms.append(low + (high - low) * (0.05 + 0.9 * chance[i]))
    return p, q, tokens, [*uniforms, chance[-1]]


def _agreeing(generator: torch.Generator) -> Call:
    p = torch.randn(3, 5, generator=generator).softmax(-1)
    chance = torch.rand(3, generator=generator, dtype=torch.float64).tolist()
    tokens = torch.multinomial(p[:2], 1, generator=generator)[:, 0].tolist()
    return p, p[:2].clone(), tokens, chance


def _drawn(weights: Tensor, uniform: float, normalise: bool = True) -> int:
    """The first token at which the cumulative probability exceeds the uniform number."""
    weights = weights.double()
    if normalise:
        weights = weights / weights.sum()
    return min(int((weights.cumsum(0) <= uniform).sum()), len(weights) - 1)


def _speculate(
    target: Tensor,
    draft: Tensor,
    tokens: list[int],
    uniforms: list[float],
    *,
    keeps: Callable[[float, float, float], bool] = lambda u, p, q: u < p / q,
    rest: Callable[[Tensor, Tensor], Tensor] = lambda p, q: (p - q).clamp(min=0),
    draw: Callable[[Tensor, float], int] = _drawn,
    bonus: Callable[[int], int | None] = lambda k: k,
    row: Callable[[int], int] = lambda i: i,
    replaces: bool = True,
    stops: bool = True,
) -> list[int]:
    """The right rule, with one thing to get wrong at a time."""
    said = []
    for i, token in enumerate(tokens):
        p = target[row(i)]
        if keeps(uniforms[i], p[token].item(), draft[i, token].item()):
            said.append(token)
            continue
        if replaces:
            said.append(draw(rest(p, draft[i]), uniforms[-1]))
        if stops:
            return said
    at = bonus(len(tokens))
    return said if at is None else [*said, draw(target[at], uniforms[-1])]


def _right(target: Tensor, draft: Tensor, tokens: list[int], uniforms: list[float]) -> list[int]:
    return _speculate(target, draft, tokens, uniforms)


def _wrong(**change) -> Callable:
    return lambda *given: _speculate(*given, **change)


def _target_is_met(answer: Callable, seed: int) -> str | None:
    """One draft, all its tokens and uniforms in turn: the first token has the target's shares.

    Chances of being kept are quarters and those of the rest fifths here, so that four and five
    evenly spaced numbers weigh every outcome exactly.
    """
    order = torch.randperm(4, generator=torch.Generator().manual_seed(seed))
    p = (torch.tensor([7.0, 6.0, 2.0, 1.0]) / 16)[order]
    q, count, kept = torch.full((1, 4), 0.25), torch.zeros(4), False
    for token, u, r in itertools.product(range(4), range(4), range(5)):
        if r and kept:  # the last number doesn't matter to a draft that is kept
            continue
        numbers = [(u + 0.5) / 4, (r + 0.5) / 5]
        said = answer(torch.stack([p, p]), q, [token], numbers)
        kept = len(said) > 1
        count[int(said[0])] += 5 if kept else 1
    if torch.equal(count, 80 * p):
        return None
    shares = ", ".join(f"{share:.3f}" for share in (count / 80).tolist())
    wanted = ", ".join(f"{share:.3f}" for share in p.tolist())
    return f"Over all drafts and uniforms, the first token's shares are {shares}, not {wanted}."


_MISTAKES = {
    "The test is turned round: a draft is kept where the uniform number lies below p / q.": _wrong(
        keeps=lambda u, p, q: u > p / q
    ),
    "You divide the draft's probability by the target's. What the target likes better than the "
    "draft does must always pass: keep it below p / q.": _wrong(keeps=lambda u, p, q: u < q / p),
    "You keep a draft with the target's probability p. It was drawn with probability q already, so "
    "it would come out with p times q: keep it with p / q.": _wrong(keeps=lambda u, p, q: u < p),
    "You keep a draft only where the target finds it likelier than the draft model did, and never "
    "look at the uniform number.": _wrong(keeps=lambda u, p, q: p >= q),
    "After a rejection you draw from the target itself. Tokens that drafts bring often would come "
    "out too often: draw from max(p - q, 0), which is what the drafts leave over.": _wrong(
        rest=lambda p, q: p
    ),
    "You draw from |p - q|. Where the draft is too likely nothing is missing: set those to 0.": (
        _wrong(rest=lambda p, q: (p - q).abs())
    ),
    "You draw from max(q - p, 0): that is where the draft brings too much, not too little.": _wrong(
        rest=lambda p, q: (q - p).clamp(min=0)
    ),
    "You didn't divide max(p - q, 0) by its sum: it is no distribution yet.": _wrong(
        draw=lambda weights, u: _drawn(weights, u, normalise=False)
    ),
    "You take the likeliest token. Draw with the last uniform number: the first token at which the "
    "cumulative probability exceeds it.": _wrong(draw=lambda weights, u: int(weights.argmax())),
    "All drafts are kept, and you stop. The target's last row is there already: draw one token "
    "more from it.": _wrong(bonus=lambda k: None),
    "The token after the last draft comes from the last row of the target, row k; you took the row "
    "before it.": _wrong(bonus=lambda k: max(0, k - 1)),
    "A rejected draft is replaced by nothing: each call must bring one token of the target's.": (
        _wrong(replaces=False)
    ),
    "You go on after a rejection. The drafts behind it continue a text that isn't the text any "
    "more: stop there.": _wrong(stops=False),
    "You compare draft i with row i + 1 of the target. Row i is its opinion of draft i; the row "
    "after it has read that draft.": _wrong(row=lambda i: i + 1),
}

speculative_acceptance = Exercise(
    name="deployment/speculative_acceptance",
    title="Keep the draft or not",
    answer="my_speculate",
    kind="build",
    minutes=40,
    points=15,
    cases=_cases,
    reference=_right,
    mistakes=_MISTAKES,
    properties=(Property("the output has the target's distribution", _target_is_met),),
)
