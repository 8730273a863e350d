"""Answers to what a step holds as learners write them: wrong with their hint, and right."""


def by_the_formula(n_layers, d_model, d_ff, tokens, mixed, activation):
    n = 2 * n_layers * d_model * d_ff
    size, states = (2, 12) if mixed else (4, 8)
    inner = {"gelu": 2, "relu": 1}[activation] * d_ff
    return {
        "weights": n * size,
        "gradients": n * size,
        "states": n * states,
        "activations": n_layers * tokens * (d_model + inner) * size,
    }


def by_layers(n_layers, d_model, d_ff, tokens, mixed, activation):
    held = {"weights": 0, "gradients": 0, "states": 0, "activations": 0}
    size = 2 if mixed else 4
    for _ in range(n_layers):
        for rows, columns in ((d_model, d_ff), (d_ff, d_model)):
            held["weights"] += rows * columns * size
            held["gradients"] += rows * columns * size
            held["states"] += rows * columns * (4 + 4 + (4 if mixed else 0))
            held["activations"] += tokens * rows * size  # what the matrix is multiplied with
        if activation != "relu":
            held["activations"] += tokens * d_ff * size
    return held


def by_shares(n_layers, d_model, d_ff, tokens, mixed, activation):
    """The weights' bytes, and everything else as a multiple of them."""
    size = 4 - 2 * mixed
    weights = size * n_layers * d_model * d_ff * 2
    a_token = d_model + d_ff + (d_ff if activation == "gelu" else 0)
    return dict(
        weights=weights,
        gradients=weights,
        states=weights * (6 if mixed else 2),
        activations=size * tokens * n_layers * a_token,
    )


def changed(right, **parts):
    return {**right, **{name: int(size) for name, size in parts.items()}}


def inputs_only(n_layers, d_model, d_ff, tokens, mixed, activation):
    right = by_layers(n_layers, d_model, d_ff, tokens, mixed, activation)
    return changed(right, activations=n_layers * tokens * d_model * (2 if mixed else 4))


def one_inner_tensor(n_layers, d_model, d_ff, tokens, mixed, activation):
    return by_formula_as_if("relu", n_layers, d_model, d_ff, tokens, mixed)


def two_inner_tensors(n_layers, d_model, d_ff, tokens, mixed, activation):
    return by_formula_as_if("gelu", n_layers, d_model, d_ff, tokens, mixed)


def by_formula_as_if(activation, *given):
    return by_the_formula(*given, activation)


def outputs_too(n_layers, d_model, d_ff, tokens, mixed, activation):
    right = by_layers(n_layers, d_model, d_ff, tokens, mixed, activation)
    more = n_layers * tokens * d_model * (2 if mixed else 4)
    return changed(right, activations=right["activations"] + more)


def one_layer_at_a_time(n_layers, d_model, d_ff, tokens, mixed, activation):
    right = by_layers(n_layers, d_model, d_ff, tokens, mixed, activation)
    return changed(right, activations=right["activations"] / n_layers)


def one_matrix(n_layers, d_model, d_ff, tokens, mixed, activation):
    right = by_layers(n_layers, d_model, d_ff, tokens, mixed, activation)
    return {k: v if k == "activations" else v // 2 for k, v in right.items()}


def no_master_copy(n_layers, d_model, d_ff, tokens, mixed, activation):
    right = by_layers(n_layers, d_model, d_ff, tokens, mixed, activation)
    return changed(right, states=16 * n_layers * d_model * d_ff)


def one_moment(n_layers, d_model, d_ff, tokens, mixed, activation):
    right = by_layers(n_layers, d_model, d_ff, tokens, mixed, activation)
    return changed(right, states=right["states"] * (2 / 3 if mixed else 1 / 2))


def everything_in_fp32(n_layers, d_model, d_ff, tokens, mixed, activation):
    return by_layers(n_layers, d_model, d_ff, tokens, False, activation)


def wide_gradients(n_layers, d_model, d_ff, tokens, mixed, activation):
    right = by_layers(n_layers, d_model, d_ff, tokens, mixed, activation)
    return changed(right, gradients=8 * n_layers * d_model * d_ff)


def numbers_not_bytes(n_layers, d_model, d_ff, tokens, mixed, activation):
    right = by_layers(n_layers, d_model, d_ff, tokens, mixed, activation)
    return {k: v // (2 if mixed else 4) for k, v in right.items()}


WRONG = {
    inputs_only: "only each layer's input",
    one_inner_tensor: "one tensor of d_ff for GELU",
    two_inner_tensors: "two tensors of d_ff for ReLU",
    outputs_too: "output besides its input",
    one_layer_at_a_time: "are one layer's",
    one_matrix: "one matrix a layer",
    no_master_copy: "a copy of the weights in fp32",
    one_moment: "one of AdamW's two moments",
    wide_gradients: "4 bytes for a gradient",
    everything_in_fp32: "mixed precision",
    numbers_not_bytes: "At 'weights'",
}
RIGHT = [by_the_formula, by_layers, by_shares]
