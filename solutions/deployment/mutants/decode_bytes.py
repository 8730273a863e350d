"""Answers to how fast it can write as learners write them: wrong with their hint, and right."""

BANDWIDTH = 3.35e12


def by_the_formula(n_layers, d_model, d_kv, d_ff, vocab, bits, batch, context):
    n = n_layers * (2 * d_model**2 + 2 * d_model * d_kv + 3 * d_model * d_ff) + vocab * d_model
    weights = n * bits // 8 + n // 16
    cache = 2 * 2 * n_layers * d_kv * context * batch
    return {
        "weights": weights,
        "cache": cache,
        "tokens_per_second": batch * BANDWIDTH / (weights + cache),
    }


def by_matrices(n_layers, d_model, d_kv, d_ff, vocab, bits, batch, context):
    held = 0
    for _ in range(n_layers):
        for rows, columns in [
            (d_model, d_model),
            (d_kv, d_model),
            (d_kv, d_model),
            (d_model, d_model),
            (d_ff, d_model),
            (d_ff, d_model),
            (d_model, d_ff),
        ]:
            held += rows * (columns * bits // 8 + columns // 32 * 2)
    held += vocab * (d_model * bits // 8 + d_model // 32 * 2)
    cache = sum(2 * (2 * d_kv) for _ in range(n_layers)) * context * batch
    step = held / BANDWIDTH + cache / BANDWIDTH
    return dict(weights=held, cache=cache, tokens_per_second=1 / step * batch)


def by_groups(n_layers, d_model, d_kv, d_ff, vocab, bits, batch, context):
    """32 weights and their scale take 4 bits + 2 bytes."""
    a_layer = d_model * (2 * (d_model + d_kv) + 3 * d_ff)
    groups = (n_layers * a_layer + d_model * vocab) // 32
    weights = groups * (4 * bits + 2)
    a_token = n_layers * (d_kv + d_kv) * 2
    cache = batch * context * a_token
    seconds = (weights + cache) / BANDWIDTH
    return {"weights": weights, "cache": cache, "tokens_per_second": batch / seconds}


def figures(weights, cache, batch):
    speed = batch * BANDWIDTH / (weights + cache)
    return {"weights": round(weights), "cache": round(cache), "tokens_per_second": speed}


def parts(n_layers, d_model, d_kv, d_ff, vocab, bits, batch, context):
    n = n_layers * (2 * d_model**2 + 2 * d_model * d_kv + 3 * d_model * d_ff) + vocab * d_model
    return n, 4 * n_layers * d_kv * context * batch


def a_byte_a_code(*given):
    n, cache = parts(*given)
    return figures(n + n / 16, cache, given[6])


def no_scales(*given):
    n, cache = parts(*given)
    return figures(n * given[5] / 8, cache, given[6])


def wide_scales(*given):
    n, cache = parts(*given)
    return figures(n * given[5] / 8 + n / 8, cache, given[6])


def two_matrices(n_layers, d_model, d_kv, d_ff, *rest):
    right = by_the_formula(n_layers, d_model, d_kv, d_ff, *rest)
    bits, batch = rest[1], rest[2]
    missing = n_layers * d_model * d_ff * (bits / 8 + 1 / 16)
    return figures(right["weights"] - missing, right["cache"], batch)


def no_head(n_layers, d_model, d_kv, d_ff, vocab, *rest):
    return by_the_formula(n_layers, d_model, d_kv, d_ff, 0, *rest)


def weights_for_each_request(*given):
    right = by_the_formula(*given)
    return figures(right["weights"] * given[6], right["cache"], given[6])


def keys_only(*given):
    right = by_the_formula(*given)
    return figures(right["weights"], right["cache"] / 2, given[6])


def full_width(*given):
    right = by_the_formula(*given)
    return figures(right["weights"], right["cache"] * given[1] / given[2], given[6])


def one_cache(*given):
    right = by_the_formula(*given)
    return figures(right["weights"], right["cache"] / given[6], given[6])


def speed_of_one(*given):
    right = by_the_formula(*given)
    return {**right, "tokens_per_second": right["tokens_per_second"] / given[6]}


def weights_alone(*given):
    right = by_the_formula(*given)
    return {**right, "tokens_per_second": given[6] * BANDWIDTH / right["weights"]}


def in_gigabytes(*given):
    right = by_the_formula(*given)
    return {name: value / 1e9 for name, value in right.items()}


WRONG = {
    a_byte_a_code: "two codes share one",
    no_scales: "You forgot the scales",
    wide_scales: "Your scales have 4 bytes",
    two_matrices: "up, gate and down",
    no_head: "You left the head out",
    weights_for_each_request: "once for each request",
    keys_only: "keys AND values",
    full_width: "as wide as the queries",
    one_cache: "cache is of one request",
    speed_of_one: "the speed of one request",
    weights_alone: "waits for the cache as well",
    in_gigabytes: "At 'weights'",
}
RIGHT = [by_the_formula, by_matrices, by_groups]
