"""Answers to the FLOPs of a step as learners write them: wrong with their hint, and right."""


def sizes(config):
    d, heads = config["d_model"], config["n_heads"]
    return d, config["n_layers"], config["d_ff"], config["vocab_size"], d // heads


def by_parts(config, rows, seq):
    d, layers, d_ff, vocab, d_head = sizes(config)
    kv = config["n_kv_heads"] * d_head
    projections = 2 * d * d + 2 * d * kv
    a_token = 2 * (projections + 3 * d * d_ff) + 4 * seq * d
    forward = rows * seq * (layers * a_token + 2 * d * vocab)
    return 3 * forward


def product_by_product(config, rows, seq):
    """Every product [a, b] @ [b, c] of the forward pass, one after another."""
    d, layers, d_ff, vocab, d_head = sizes(config)
    tokens = rows * seq
    products = []
    for _ in range(layers):
        for width in (d, config["n_kv_heads"] * d_head, config["n_kv_heads"] * d_head, d):
            products.append((tokens, d, width))
        for _ in range(rows * config["n_heads"]):
            products += [(seq, d_head, seq), (seq, seq, d_head)]
        products += [(tokens, d, d_ff), (tokens, d, d_ff), (tokens, d_ff, d)]
    products.append((tokens, d, vocab))
    return sum(6 * a * b * c for a, b, c in products)


def six_n_and_twelve(config, rows, seq):
    """The page's equation: D (6 N_w + 12 T d layers)."""
    d, layers, d_ff, vocab, d_head = sizes(config)
    share = config["n_kv_heads"] / config["n_heads"]
    n_w = layers * (d * d * (2 + 2 * share) + 3 * d * d_ff) + vocab * d
    return rows * seq * (6 * n_w + 12 * seq * d * layers)


def forward_alone(config, rows, seq):
    return by_parts(config, rows, seq) // 3


def backward_once(config, rows, seq):
    return by_parts(config, rows, seq) // 3 * 2


def multiplies_and_forgets_to_add(config, rows, seq):
    return by_parts(config, rows, seq) // 2


def weights_alone(config, rows, seq):
    d, layers, _, _, _ = sizes(config)
    return by_parts(config, rows, seq) - 12 * rows * seq * seq * d * layers


def scores_alone(config, rows, seq):
    d, layers, _, _, _ = sizes(config)
    return by_parts(config, rows, seq) - 6 * rows * seq * seq * d * layers


def the_lower_triangle(config, rows, seq):
    d, layers, _, _, _ = sizes(config)
    pairs = seq * (seq + 1) // 2
    return weights_alone(config, rows, seq) + 12 * rows * pairs * d * layers


def no_head(config, rows, seq):
    d, _, _, vocab, _ = sizes(config)
    return by_parts(config, rows, seq) - 6 * rows * seq * d * vocab


def no_tied_head(config, rows, seq):
    return no_head(config, rows, seq) if config["tied"] else by_parts(config, rows, seq)


def lookup_as_a_product(config, rows, seq):
    d, _, _, vocab, _ = sizes(config)
    return by_parts(config, rows, seq) + 6 * rows * seq * d * vocab


def keys_as_wide_as_queries(config, rows, seq):
    return by_parts(config | {"n_kv_heads": config["n_heads"]}, rows, seq)


def two_matrices(config, rows, seq):
    d, layers, d_ff, _, _ = sizes(config)
    return by_parts(config, rows, seq) - 6 * rows * seq * layers * d * d_ff


def six_nd(config, rows, seq):
    d, layers, d_ff, vocab, d_head = sizes(config)
    block = 2 * d * d + 2 * d * config["n_kv_heads"] * d_head + 3 * d * d_ff + 2 * d
    n = layers * block + d + vocab * d * (1 if config["tied"] else 2)
    return 6 * n * rows * seq


def forgets_the_rows(config, rows, seq):
    return by_parts(config, 1, seq)


WRONG = {
    forward_alone: "the forward pass alone",
    backward_once: "as costly as the forward",
    multiplies_and_forgets_to_add: "multiplies *and* adds",
    weights_alone: "products of tokens with tokens are missing",
    scores_alone: "There are two: the scores",
    the_lower_triangle: "half of seq²",
    no_head: "The head is missing",
    no_tied_head: "where it is tied",
    lookup_as_a_product: "Looking a row up is no product",
    keys_as_wide_as_queries: "n_kv_heads heads",
    two_matrices: "SwiGLU has three",
    six_nd: "That is 6ND",
    forgets_the_rows: "expected",
}
RIGHT = [by_parts, product_by_product, six_n_and_twelve]
