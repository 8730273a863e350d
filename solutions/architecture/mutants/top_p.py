"""Answers to top-p as learners write them: wrong with their hint, and right."""

import torch


def row_by_row(logits, p):
    out = torch.zeros_like(logits)
    for b, row in enumerate(logits.softmax(-1)):
        held = 0.0
        for token in row.argsort(descending=True):
            if held >= p:
                break
            out[b, token] = row[token]
            held += float(row[token])
        out[b] /= out[b].sum()
    return out


def by_a_threshold(logits, p):
    """Everything at least as likely as the token that crosses p."""
    shares = logits.softmax(-1)
    ordered = shares.sort(descending=True).values
    last = (ordered.cumsum(-1) < p).sum(-1, keepdim=True).clamp(max=shares.shape[-1] - 1)
    kept = torch.where(shares >= ordered.gather(-1, last), shares, 0.0)
    return kept / kept.sum(-1, keepdim=True)


def by_unsorting(logits, p):
    ordered, index = torch.sort(logits, descending=True)
    shares = torch.softmax(ordered, dim=-1)
    before = torch.cat((torch.zeros_like(shares[:, :1]), shares.cumsum(-1)[:, :-1]), dim=-1)
    kept = torch.softmax(ordered.masked_fill(before >= p, -torch.inf), dim=-1)
    return kept.gather(-1, index.argsort(-1))


def by_comparing_pairs(logits, p):
    """What is likelier than a token, summed for each token."""
    shares = logits.softmax(-1)
    likelier = shares[:, None, :] > shares[:, :, None]
    before = (likelier * shares[:, None, :]).sum(-1)
    kept = shares * (before < p)
    return kept / kept.sum(-1, keepdim=True)


def stops_before_p(logits, p):
    ordered, index = torch.sort(logits, descending=True)
    over = ordered.softmax(-1).cumsum(-1) > p
    mask = torch.zeros_like(over).scatter_(1, index, over)
    return torch.where(mask, float("-inf"), logits).softmax(-1)


def sorts_upwards(logits, p):
    ordered, index = torch.sort(logits)
    shares = ordered.softmax(-1)
    drop = shares.cumsum(-1) - shares >= p
    mask = torch.zeros_like(drop).scatter_(1, index, drop)
    return torch.where(mask, float("-inf"), logits).softmax(-1)


def forgets_to_unsort(logits, p):
    shares = logits.softmax(-1).sort(descending=True).values
    kept = shares * (shares.cumsum(-1) - shares < p)
    return kept / kept.sum(-1, keepdim=True)


def masks_in_sorted_order(logits, p):
    """The mask is in the order of the sort, the logits in the tokens'."""
    shares = logits.softmax(-1).sort(descending=True).values
    return logits.masked_fill(shares.cumsum(-1) - shares >= p, -torch.inf).softmax(-1)


def leaves_the_shares(logits, p):
    shares = logits.softmax(-1)
    ordered, index = shares.sort(descending=True)
    keep = torch.zeros_like(shares).scatter(1, index, (ordered.cumsum(-1) - ordered < p).float())
    return shares * keep


def is_min_p(logits, p):
    shares = logits.softmax(-1)
    kept = torch.where(shares >= p * shares.max(-1, keepdim=True).values, shares, 0.0)
    return kept / kept.sum(-1, keepdim=True)


def keeps_those_above_p(logits, p):
    shares = logits.softmax(-1)
    kept = shares * (shares >= p)
    return kept / kept.sum(-1, keepdim=True)


def puts_zero(logits, p):
    ordered, index = logits.sort(-1, descending=True)
    shares = ordered.softmax(-1)
    drop = shares.cumsum(-1) - shares >= p
    ordered[drop] = 0
    return ordered.gather(-1, index.argsort(-1)).softmax(-1)


def returns_logits(logits, p):
    ordered, index = logits.sort(-1, descending=True)
    shares = ordered.softmax(-1)
    drop = shares.cumsum(-1) - shares >= p
    return logits.masked_fill(drop.scatter(-1, index, drop), -torch.inf)


def sums_logits(logits, p):
    ordered, index = logits.sort(-1, descending=True)
    drop = ordered.cumsum(-1) - ordered >= p
    return logits.masked_fill(drop.scatter(-1, index, drop), -torch.inf).softmax(-1)


WRONG = {
    stops_before_p: "drop the token that crosses p",
    sorts_upwards: "sort in descending order",
    forgets_to_unsort: "order of the sort",
    masks_in_sorted_order: "Farthest apart",
    leaves_the_shares: "doesn't sum to 1",
    is_min_p: "That is min-p",
    keeps_those_above_p: "NaN",
    puts_zero: "exp(0) = 1",
    returns_logits: "Farthest apart",
    sums_logits: "sum up logits",
}
RIGHT = [row_by_row, by_a_threshold, by_unsorting, by_comparing_pairs]
