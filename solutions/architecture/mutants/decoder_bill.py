"""Answers to the decoder's bill as learners write them: wrong with their hint, and right."""


def by_parts(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_ff, tokens):
    d_head = d_model // n_heads
    attention = d_model * d_head * (2 * n_heads + 2 * n_kv_heads)
    matrices = n_layers * (attention + 3 * d_model * d_ff)
    weights = vocab_size * d_model + matrices + (2 * n_layers + 1) * d_model
    cache = 2 * 2 * n_layers * n_kv_heads * d_head * tokens
    flops = 2 * tokens * (matrices + vocab_size * d_model) + 4 * tokens**2 * d_model * n_layers
    return weights, cache, flops


def layer_by_layer(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_ff, tokens):
    kv = n_kv_heads * (d_model // n_heads)
    weights, cache, flops = vocab_size * d_model + d_model, 0, 2 * tokens * vocab_size * d_model
    for _ in range(n_layers):
        shapes = [(d_model, d_model)] * 2 + [(d_model, kv)] * 2
        shapes += [(d_model, d_ff)] * 2 + [(d_ff, d_model)]
        weights += sum(a * b for a, b in shapes) + 2 * d_model
        cache += tokens * kv * 2 * 2
        flops += sum(2 * tokens * a * b for a, b in shapes) + 2 * 2 * tokens * tokens * d_model
    return [weights, cache, flops]


def from_the_weights(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_ff, tokens):
    share = n_kv_heads / n_heads
    weights = vocab_size * d_model + d_model
    weights += n_layers * (2 * d_model**2 * (1 + share) + 3 * d_model * d_ff + 2 * d_model)
    cache = 4 * n_layers * d_model * share * tokens
    flops = 2 * tokens * (weights - (2 * n_layers + 1) * d_model)
    return weights, cache, flops + 4 * n_layers * d_model * tokens**2


def counts_the_head_twice(vocab_size, d_model, *rest):
    weights, cache, flops = by_parts(vocab_size, d_model, *rest)
    return weights + d_model * vocab_size, cache, flops


def forgets_grouping(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_ff, tokens):
    right = by_parts(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_ff, tokens)
    return right[0], 2 * 2 * n_layers * d_model * tokens, right[2]


def gives_every_head_keys(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_ff, tokens):
    weights = vocab_size * d_model + d_model
    weights += n_layers * (4 * d_model * d_model + 3 * d_model * d_ff + 2 * d_model)
    right = by_parts(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_ff, tokens)
    return weights, *right[1:]


def has_no_norms(vocab_size, d_model, n_layers, *rest):
    right = by_parts(vocab_size, d_model, n_layers, *rest)
    return right[0] - d_model * (2 * n_layers + 1), *right[1:]


def has_two_matrices(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_ff, tokens):
    kv = n_kv_heads * d_model // n_heads
    layer = 2 * d_model * d_model + 2 * d_model * kv + 2 * d_model * d_ff + 2 * d_model
    right = by_parts(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_ff, tokens)
    return vocab_size * d_model + n_layers * layer + d_model, *right[1:]


def counts_numbers_for_bytes(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_ff, tokens):
    right = by_parts(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_ff, tokens)
    return right[0], 2 * n_layers * n_kv_heads * (d_model // n_heads) * tokens, right[2]


def is_two_n_d(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_ff, tokens):
    right = by_parts(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_ff, tokens)
    return *right[:2], 2 * right[0] * tokens


def forgets_the_output(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_ff, tokens):
    right = by_parts(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_ff, tokens)
    return *right[:2], right[2] - 2 * tokens * d_model * vocab_size


def forgets_the_scores(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_ff, tokens):
    right = by_parts(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_ff, tokens)
    return *right[:2], right[2] - 4 * tokens * tokens * n_layers * d_model


def counts_one_a_weight(*sizes):
    right = by_parts(*sizes)
    return *right[:2], right[2] // 2


def returns_a_sum(*sizes):
    return sum(by_parts(*sizes))


WRONG = {
    counts_the_head_twice: "It is tied",
    forgets_grouping: "keeps n_kv_heads heads",
    gives_every_head_keys: "key head of its own",
    has_no_norms: "lack the norms",
    has_two_matrices: "SwiGLU has three",
    counts_numbers_for_bytes: "half of what it is",
    is_two_n_d: "First at place 2",
    forgets_the_output: "lack the output",
    forgets_the_scores: "lack the scores and the mix",
    counts_one_a_weight: "are half",
    returns_a_sum: "expected 3 values",
}
RIGHT = [by_parts, layer_by_layer, from_the_weights]
