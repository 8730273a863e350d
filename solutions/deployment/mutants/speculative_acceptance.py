"""Answers to the acceptance rule as learners write them: wrong with their hint, and right."""

import bisect
import itertools

import torch


def draw(weights, uniform):
    shares = torch.cumsum(weights / weights.sum(), 0)
    return min(int(torch.searchsorted(shares, uniform, right=True)), len(weights) - 1)


def by_for_else(target, draft, tokens, uniforms):
    said = []
    for i, token in enumerate(tokens):
        if uniforms[i] * draft[i, token] >= target[i, token]:
            last = (target[i] - draft[i]).clamp(min=0)
            break
        said.append(token)
    else:
        last = target[len(tokens)]
    return said + [draw(last, uniforms[-1])]


def by_counting(target, draft, tokens, uniforms):
    places = torch.arange(len(tokens))
    drafts = torch.tensor(tokens, dtype=torch.long)
    ratios = target[places, drafts] / draft[places, drafts]
    passed = torch.tensor(uniforms[:-1], dtype=torch.float64) < ratios
    n = int(passed.long().cumprod(0).sum())
    left = torch.zeros_like(target[0]) if n == len(tokens) else draft[n]
    return tokens[:n] + [draw(torch.relu(target[n] - left), uniforms[-1])]


def without_torch(target, draft, tokens, uniforms):
    target, draft = target.tolist(), draft.tolist()
    draft.append([0.0] * len(target[0]))
    n = 0
    while n < len(tokens):
        token = tokens[n]
        if uniforms[n] >= min(1.0, target[n][token] / draft[n][token]):
            break
        n += 1
    rest = [max(p - q, 0.0) for p, q in zip(target[n], draft[n], strict=True)]
    cumulative = list(itertools.accumulate(rest))
    token = bisect.bisect_right(cumulative, uniforms[-1] * cumulative[-1])
    return [*tokens[:n], min(token, len(rest) - 1)]


def rule(target, draft, tokens, uniforms, keep, rest):
    said = []
    for i, token in enumerate(tokens):
        if not keep(uniforms[i], target[i, token], draft[i, token]):
            return [*said, draw(rest(target[i], draft[i]), uniforms[-1])]
        said.append(token)
    return [*said, draw(target[-1], uniforms[-1])]


def left_over(p, q):
    return torch.clamp(p - q, min=0)


def keeps_above_the_ratio(target, draft, tokens, uniforms):
    return rule(target, draft, tokens, uniforms, lambda u, p, q: u >= min(1, p / q), left_over)


def draft_over_target(target, draft, tokens, uniforms):
    return rule(target, draft, tokens, uniforms, lambda u, p, q: u * p < q, left_over)


def with_probability_p(target, draft, tokens, uniforms):
    return rule(target, draft, tokens, uniforms, lambda u, p, q: p > u, left_over)


def draws_from_the_target(target, draft, tokens, uniforms):
    return rule(target, draft, tokens, uniforms, lambda u, p, q: u < p / q, lambda p, q: p)


def draws_from_the_draft(target, draft, tokens, uniforms):
    return rule(target, draft, tokens, uniforms, lambda u, p, q: u < p / q, lambda p, q: q)


def draws_from_the_distance(target, draft, tokens, uniforms):
    return rule(target, draft, tokens, uniforms, lambda u, p, q: u < p / q, lambda p, q: abs(p - q))


def never_normalises(target, draft, tokens, uniforms):
    n, k = len(by_counting(target, draft, tokens, uniforms)) - 1, len(tokens)
    rest = target[k] if n == k else (target[n] - draft[n]).clamp(min=0)
    return tokens[:n] + [min(int((rest.cumsum(0) <= uniforms[-1]).sum()), len(rest) - 1)]


def no_token_more(target, draft, tokens, uniforms):
    said = by_for_else(target, draft, tokens, uniforms)
    return said[:-1] if len(said) > len(tokens) else said


def gives_only_the_kept(target, draft, tokens, uniforms):
    return by_for_else(target, draft, tokens, uniforms)[:-1]


def checks_all_drafts(target, draft, tokens, uniforms):
    said = []
    for i, token in enumerate(tokens):
        if uniforms[i] < target[i, token] / draft[i, token]:
            said.append(token)
        else:
            said.append(draw(left_over(target[i], draft[i]), uniforms[-1]))
    return [*said, draw(target[-1], uniforms[-1])]


def reads_the_next_row(target, draft, tokens, uniforms):
    said = []
    for i, token in enumerate(tokens):
        p = target[i + 1]
        if uniforms[i] >= p[token] / draft[i, token]:
            return [*said, draw(left_over(p, draft[i]), uniforms[-1])]
        said.append(token)
    return [*said, draw(target[-1], uniforms[-1])]


def takes_the_likeliest(target, draft, tokens, uniforms):
    n = len(by_counting(target, draft, tokens, uniforms)) - 1
    rest = target[n] if n == len(tokens) else left_over(target[n], draft[n])
    return [*tokens[:n], int(rest.argmax())]


WRONG = {
    keeps_above_the_ratio: "turned round",
    draft_over_target: "divide the draft's probability",
    with_probability_p: "p times q",
    draws_from_the_target: "draw from the target itself",
    draws_from_the_draft: "expected",
    draws_from_the_distance: "|p - q|",
    never_normalises: "by its sum",
    no_token_more: "and you stop",
    gives_only_the_kept: "expected",
    checks_all_drafts: "go on after a rejection",
    reads_the_next_row: "row i + 1",
    takes_the_likeliest: "take the likeliest token",
}
RIGHT = [by_for_else, by_counting, without_torch]
