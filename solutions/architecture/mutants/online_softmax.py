"""Answers to attention by blocks as learners write them: wrong with their hint, and right."""

import torch


def with_a_maximum(q, k, v, output, log_sum):
    scores = q @ k.T / k.shape[1] ** 0.5
    m = torch.maximum(scores.max(dim=1).values, log_sum)
    p = (scores - m[:, None]).exp()
    old = (log_sum - m).exp()
    total = old + p.sum(1)
    return (old[:, None] * output + p @ v) / total[:, None], m + total.log()


def with_logaddexp(q, k, v, output, log_sum):
    scores = torch.einsum("qd,kd->qk", q, k) * q.shape[1] ** -0.5
    new = torch.logaddexp(log_sum, torch.logsumexp(scores, dim=1))
    weights = torch.exp(scores - new.unsqueeze(1))
    return torch.exp(log_sum - new).unsqueeze(1) * output + weights @ v, new


def as_one_more_key(q, k, v, output, log_sum):
    """What came before is one key with the score log_sum and the value output."""
    scores = torch.cat((log_sum[:, None], q @ k.T / q.shape[1] ** 0.5), dim=1)
    weights = scores.softmax(dim=1)
    return weights[:, :1] * output + weights[:, 1:] @ v, scores.logsumexp(dim=1)


def key_by_key(q, k, v, output, log_sum):
    for key, value in zip(k, v, strict=True):
        score = q @ key / len(key) ** 0.5
        new = torch.logaddexp(log_sum, score)
        output = (log_sum - new).exp()[:, None] * output + (score - new).exp()[:, None] * value
        log_sum = new
    return output, log_sum


def forgets_the_state(q, k, v, output, log_sum):
    scores = q @ k.T / q.shape[1] ** 0.5
    return torch.softmax(scores, -1) @ v, torch.logsumexp(scores, -1)


def adds_the_outputs(q, k, v, output, log_sum):
    scores = q @ k.T / q.shape[1] ** 0.5
    return output + torch.softmax(scores, -1) @ v, torch.logaddexp(log_sum, scores.logsumexp(-1))


def averages_the_outputs(q, k, v, output, log_sum):
    scores = q @ k.T / q.shape[1] ** 0.5
    mean = 0.5 * output + 0.5 * (scores.softmax(-1) @ v)
    return mean, torch.logaddexp(log_sum, scores.logsumexp(-1))


def has_no_maximum(q, k, v, output, log_sum):
    weights = torch.exp(q @ k.T / q.shape[1] ** 0.5)
    total = log_sum.exp() + weights.sum(1)
    mixed = output * log_sum.exp()[:, None] + weights @ v
    return mixed / total[:, None], total.log()


def forgets_to_shrink(q, k, v, output, log_sum):
    scores = q @ k.T / q.shape[1] ** 0.5
    new = torch.logaddexp(log_sum, scores.logsumexp(1))
    return output + (scores - new[:, None]).exp() @ v, new


def shrinks_the_wrong_way(q, k, v, output, log_sum):
    scores = q @ k.T / q.shape[1] ** 0.5
    mine = scores.logsumexp(1)
    new = torch.logaddexp(log_sum, mine)
    old = (new - log_sum).exp()[:, None] * output
    return old + (new - mine).exp()[:, None] * (scores.softmax(1) @ v), new


def forgets_the_maximum_at_the_end(q, k, v, output, log_sum):
    scores = q @ k.T / k.shape[1] ** 0.5
    m = torch.maximum(scores.max(dim=1).values, log_sum)
    p = (scores - m[:, None]).exp()
    total = (log_sum - m).exp() + p.sum(1)
    return ((log_sum - m).exp()[:, None] * output + p @ v) / total[:, None], total.log()


def forgets_to_divide(q, k, v, output, log_sum):
    scores = q @ k.T / k.shape[1] ** 0.5
    m = torch.maximum(scores.max(dim=1).values, log_sum)
    p = (scores - m[:, None]).exp()
    old = (log_sum - m).exp()
    return old[:, None] * output + p @ v, m + (old + p.sum(1)).log()


def forgets_the_scale(q, k, v, output, log_sum):
    scores = torch.cat((log_sum[:, None], q @ k.T), dim=1)
    weights = scores.softmax(dim=1)
    return weights[:, :1] * output + weights[:, 1:] @ v, scores.logsumexp(dim=1)


def adds_the_logs(q, k, v, output, log_sum):
    right, _ = as_one_more_key(q, k, v, output, log_sum)
    return right, log_sum + (q @ k.T / q.shape[1] ** 0.5).logsumexp(1)


def keeps_the_sum_as_a_column(q, k, v, output, log_sum):
    right, total = as_one_more_key(q, k, v, output, log_sum)
    return right, total[:, None]


def returns_only_the_output(q, k, v, output, log_sum):
    return as_one_more_key(q, k, v, output, log_sum)[0]


WRONG = {
    forgets_the_state: "over this block alone",
    adds_the_outputs: "add the two outputs",
    averages_the_outputs: "average the two outputs",
    has_no_maximum: "exp overflows",
    forgets_to_shrink: "not shrunk",
    shrinks_the_wrong_way: "which is more than 1",
    forgets_the_maximum_at_the_end: "lacks the maximum",
    forgets_to_divide: "never divided by the sum",
    forgets_the_scale: "not divided by sqrt(d_head)",
    adds_the_logs: "You add logs",
    keeps_the_sum_as_a_column: "Your shape is",
    returns_only_the_output: "returned one Tensor, expected 2 values",
}
RIGHT = [with_a_maximum, with_logaddexp, as_one_more_key, key_by_key]
