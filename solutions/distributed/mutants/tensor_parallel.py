"""Answers to the layer cut over ranks as learners write them: wrong with their hint, and right."""

import torch
from torch.nn import functional as F


def by_slices(x, w1, b1, w2, b2, rank, ranks):
    n = len(b1) // ranks
    a, z = rank * n, (rank + 1) * n
    h = F.gelu(x @ w1[a:z].T + b1[a:z])
    y = h @ w2[:, a:z].T
    return y + b2 if rank == 0 else y


def by_chunks(x, w1, b1, w2, b2, rank, ranks):
    """Every rank adds its share of the second bias."""
    own = [w.chunk(ranks, dim)[rank] for w, dim in ((w1, 0), (b1, 0), (w2, 1))]
    return F.linear(F.gelu(F.linear(x, own[0], own[1])), own[2], b2 / ranks)


def by_hidden_numbers(x, w1, b1, w2, b2, rank, ranks):
    """One hidden number at a time; the last rank adds the bias."""
    out = torch.zeros_like(x)
    n = w1.shape[0] // ranks
    for i in range(rank * n, rank * n + n):
        out = out + F.gelu((x * w1[i]).sum(-1, keepdim=True) + b1[i]) * w2[:, i]
    return out + (b2 if rank == ranks - 1 else 0)


def whole_layer(x, w1, b1, w2, b2, rank, ranks):
    return (F.gelu(x @ w1.T + b1) @ w2.T + b2) / ranks


def every_other_row(x, w1, b1, w2, b2, rank, ranks):
    h = F.gelu(x @ w1[rank::ranks].T + b1[rank::ranks])
    y = h @ w2[:, rank::ranks].T
    return y + b2 if rank == 0 else y


def bias_on_every_rank(x, w1, b1, w2, b2, rank, ranks):
    w1, b1, w2 = w1.chunk(ranks)[rank], b1.chunk(ranks)[rank], w2.chunk(ranks, 1)[rank]
    return F.linear(F.gelu(F.linear(x, w1, b1)), w2, b2)


def no_second_bias(x, w1, b1, w2, b2, rank, ranks):
    w1, b1, w2 = w1.chunk(ranks)[rank], b1.chunk(ranks)[rank], w2.chunk(ranks, 1)[rank]
    return F.linear(F.gelu(F.linear(x, w1, b1)), w2)


def takes_the_mean(x, w1, b1, w2, b2, rank, ranks):
    return by_slices(x, w1, b1, w2, b2, rank, ranks) / ranks


def no_activation(x, w1, b1, w2, b2, rank, ranks):
    w1, b1, w2 = w1.chunk(ranks)[rank], b1.chunk(ranks)[rank], w2.chunk(ranks, 1)[rank]
    return F.linear(F.linear(x, w1, b1), w2, b2 / ranks) + 0.0


def activation_at_the_end(x, w1, b1, w2, b2, rank, ranks):
    w1, b1, w2 = w1.chunk(ranks)[rank], b1.chunk(ranks)[rank], w2.chunk(ranks, 1)[rank]
    y = F.gelu(F.linear(F.linear(x, w1, b1), w2))
    return y + b2 if rank == 0 else y


def no_first_bias(x, w1, b1, w2, b2, rank, ranks):
    w1, w2 = w1.chunk(ranks)[rank], w2.chunk(ranks, 1)[rank]
    return F.linear(F.gelu(F.linear(x, w1)), w2, b2 / ranks)


def rows_of_both(x, w1, b1, w2, b2, rank, ranks):
    """Cuts W2 by its rows: a slice of the output in place of an addend."""
    return F.linear(F.gelu(F.linear(x, w1, b1)), w2.chunk(ranks)[rank], b2.chunk(ranks)[rank])


def columns_of_the_first(x, w1, b1, w2, b2, rank, ranks):
    n = x.shape[-1] // ranks
    h = F.gelu(x[..., rank * n : (rank + 1) * n] @ w1[:, rank * n : (rank + 1) * n].T + b1)
    return h @ w2.T + b2


def relu(x, w1, b1, w2, b2, rank, ranks):
    w1, b1, w2 = w1.chunk(ranks)[rank], b1.chunk(ranks)[rank], w2.chunk(ranks, 1)[rank]
    return F.linear(F.relu(F.linear(x, w1, b1)), w2, b2 / ranks)


WRONG = {
    whole_layer: "numbers that this rank doesn't have",
    every_other_row: "numbers that this rank doesn't have",
    columns_of_the_first: "numbers that this rank doesn't have",
    bias_on_every_rank: "b2 on every rank",
    no_second_bias: "b2 is nowhere",
    takes_the_mean: "divide by the number of ranks",
    no_activation: "GELU is missing",
    activation_at_the_end: "GELU to the partial output",
    no_first_bias: "b1 is missing",
    rows_of_both: "Your shape is",
    relu: "expected",
}
RIGHT = [by_slices, by_chunks, by_hidden_numbers]
