"""Answers to LoRA's memory as learners write them: wrong with their hint, and right."""

SIZE = {"float32": 4, "bfloat16": 2}


def in_one_sum(layers, rank, dtype):
    n = sum(rank * (i + o) for i, o, adapted in layers if adapted)
    frozen = sum(i * o for i, o, _ in layers) * (2 if dtype == "bfloat16" else 4)
    return {"trainable": n, "weights": frozen + 4 * n, "gradients": 4 * n, "optimizer": 8 * n}


def layer_by_layer(layers, rank, dtype):
    total = dict.fromkeys(("trainable", "weights", "gradients", "optimizer"), 0)
    for d_in, d_out, adapted in layers:
        total["weights"] += d_in * d_out * SIZE[dtype]
        for shape in ((rank, d_in), (d_out, rank)) if adapted else ():
            numbers = shape[0] * shape[1]
            total["trainable"] += numbers
            total["weights"] += 4 * numbers
            total["gradients"] += 4 * numbers
            total["optimizer"] += 2 * 4 * numbers
    return total


def by_counting_rows(layers, rank, dtype):
    sides = [d_in + d_out for d_in, d_out, adapted in layers if adapted]
    adapters = rank * 4 * sum(sides)
    return {
        "optimizer": adapters + adapters,
        "gradients": adapters,
        "weights": adapters + SIZE[dtype] * sum(d_in * d_out for d_in, d_out, _ in layers),
        "trainable": adapters // 4,
    }


def counts_a_alone(layers, rank, dtype):
    n = sum(rank * d_in for d_in, _, adapted in layers if adapted)
    frozen = sum(i * o for i, o, _ in layers) * SIZE[dtype]
    return {"trainable": n, "weights": frozen + 4 * n, "gradients": 4 * n, "optimizer": 8 * n}


def trains_everything(layers, rank, dtype):
    n = sum(d_in * d_out for d_in, d_out, adapted in layers if adapted)
    frozen = sum(i * o for i, o, _ in layers) * SIZE[dtype]
    return {"trainable": n, "weights": frozen + 4 * n, "gradients": 4 * n, "optimizer": 8 * n}


def multiplies_the_ranks(layers, rank, dtype):
    n = sum(rank * d_in * d_out * rank for d_in, d_out, adapted in layers if adapted)
    frozen = sum(i * o for i, o, _ in layers) * SIZE[dtype]
    return {"trainable": n, "weights": frozen + 4 * n, "gradients": 4 * n, "optimizer": 8 * n}


def adapts_every_layer(layers, rank, dtype):
    return in_one_sum([(i, o, True) for i, o, _ in layers], rank, dtype)


def leaves_the_frozen_out(layers, rank, dtype):
    n = sum(rank * (i + o) for i, o, adapted in layers if adapted)
    return {"trainable": n, "weights": 4 * n, "gradients": 4 * n, "optimizer": 8 * n}


def adapters_in_bfloat16(layers, rank, dtype):
    size = SIZE[dtype]
    n = sum(rank * (i + o) for i, o, adapted in layers if adapted)
    frozen = sum(i * o for i, o, _ in layers) * size
    return {
        "trainable": n,
        "weights": frozen + size * n,
        "gradients": size * n,
        "optimizer": 2 * size * n,
    }


def everything_in_float32(layers, rank, dtype):
    return in_one_sum(layers, rank, "float32")


def one_moment(layers, rank, dtype):
    found = in_one_sum(layers, rank, dtype)
    return found | {"optimizer": found["gradients"]}


def optimizer_for_the_frozen(layers, rank, dtype):
    found = in_one_sum(layers, rank, dtype)
    return found | {"optimizer": 2 * found["weights"], "gradients": found["weights"]}


def forgets_the_adapters_weights(layers, rank, dtype):
    found = in_one_sum(layers, rank, dtype)
    return found | {"weights": found["weights"] - found["gradients"]}


def in_megabytes(layers, rank, dtype):
    return {k: v / 1e6 for k, v in in_one_sum(layers, rank, dtype).items()}


WRONG = {
    counts_a_alone: "one of the two narrow matrices",
    trains_everything: "the product B A, which is never stored",
    multiplies_the_ranks: "expected",
    adapts_every_layer: "every layer an adapter",
    leaves_the_frozen_out: "frozen matrices are missing",
    adapters_in_bfloat16: "frozen matrix's data type",
    everything_in_float32: "4 bytes a number throughout",
    one_moment: "you count one",
    optimizer_for_the_frozen: "get gradients and moments",
    forgets_the_adapters_weights: "adapters are missing",
    in_megabytes: "expected",
}
RIGHT = [in_one_sum, layer_by_layer, by_counting_rows]
