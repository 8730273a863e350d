"""Answers to masked cross-entropy as learners write them: wrong with their hint, and right."""

import torch


def kept_terms(logits, targets):
    """A list of -log p, one for each target that counts, row by row."""
    rows = []
    for scores, wanted in zip(logits, targets, strict=True):
        log_p = torch.log_softmax(scores, dim=-1)
        rows.append([-log_p[t, y] for t, y in enumerate(wanted.tolist()) if y >= 0])
    return rows


def by_loop(logits, targets):
    terms = [term for row in kept_terms(logits, targets) for term in row]
    return sum(terms) / len(terms)


def by_one_hot(logits, targets):
    kept = (targets != -100).float()
    wanted = torch.nn.functional.one_hot(targets.clamp(min=0), logits.shape[-1])
    log_p = logits - logits.logsumexp(-1, keepdim=True)
    return -((log_p * wanted).sum(-1) * kept).sum() / kept.sum()


def by_selection(logits, targets):
    flat, wanted = logits.flatten(0, 1), targets.flatten()
    flat, wanted = flat[wanted != -100], wanted[wanted != -100]
    flat = flat - flat.amax(-1, keepdim=True)
    return (flat.exp().sum(-1).log() - flat[torch.arange(len(flat)), wanted]).mean()


def mean_over_everything(logits, targets):
    terms = [term for row in kept_terms(logits, targets) for term in row]
    return sum(terms) / targets.numel()


def never_divides(logits, targets):
    return sum(term for row in kept_terms(logits, targets) for term in row)


def averages_rows(logits, targets):
    means = [sum(row) / len(row) for row in kept_terms(logits, targets) if row]
    return sum(means) / len(means)


def clamps_and_goes_on(logits, targets):
    return by_loop(logits, targets.clamp(min=0))


def in_bits(logits, targets):
    kept = targets != -100
    p = logits.softmax(-1).gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    return -p[kept].log2().mean()


def softmax_over_time(logits, targets):
    kept = targets != -100
    p = logits.softmax(1).gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    return -p[kept].log().mean()


def forgets_the_minus(logits, targets):
    return -by_selection(logits, targets)


def exp_without_care(logits, targets):
    kept = targets != -100
    p = logits.exp() / logits.exp().sum(-1, keepdim=True)
    p = p.gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    return -p[kept].log().mean()


def takes_a_number_out(logits, targets):
    return torch.tensor(by_loop(logits, targets).item())


def predicts_the_one_before(logits, targets):
    return by_one_hot(logits, targets.roll(1, dims=1))


WRONG = {
    mean_over_everything: "divide by all positions",
    never_divides: "You return the sum",
    averages_rows: "mean of each row's mean",
    clamps_and_goes_on: "as if it were token 0",
    in_bits: "base 2",
    softmax_over_time: "normalise over the sequence",
    forgets_the_minus: "upside down",
    exp_without_care: "scores in the hundreds",
    takes_a_number_out: "detached, or taken out with .item()",
    predicts_the_one_before: "You have",
}
RIGHT = [by_loop, by_one_hot, by_selection]
