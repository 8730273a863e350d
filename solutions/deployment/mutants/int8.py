"""Answers to eight bits a weight as learners write them: wrong with their hint, and right."""

import torch


def by_max_values(weight, bits):
    scale = weight.abs().max(dim=1).values / (2 ** (bits - 1) - 1)
    scale[scale == 0] = 1
    return torch.round(weight / scale[:, None]).to(torch.int8), scale


def row_by_row(weight, bits):
    codes, scales = torch.zeros(weight.shape, dtype=torch.int8), torch.ones(len(weight))
    for r, row in enumerate(weight):
        size = max(row.max().item(), -row.min().item())
        if size > 0:
            scales[r] = size / (2 ** (bits - 1) - 1)
            codes[r] = (row / scales[r]).round().clamp(-127, 127).char()
    return codes, scales


def by_the_reciprocal(weight, bits):
    size = torch.linalg.vector_norm(weight, ord=float("inf"), dim=1, keepdim=True)
    size = size.masked_fill(size == 0, 2 ** (bits - 1) - 1)
    codes = (weight.double() * ((2 ** (bits - 1) - 1) / size.double())).round()
    return codes.to(torch.int8), size[:, 0] / (2 ** (bits - 1) - 1)


def one_scale(weight, bits):
    scale = weight.abs().max() / (2 ** (bits - 1) - 1)
    return (weight / scale).round().to(torch.int8), scale.repeat(len(weight))


def by_columns(weight, bits):
    codes, scale = by_max_values(weight.T, bits)
    return codes.T, scale


def casts_without_rounding(weight, bits):
    scale = by_max_values(weight, bits)[1]
    return (weight / scale[:, None]).to(torch.int8), scale


def divides_by_128(weight, bits):
    scale = weight.abs().amax(1) / 2 ** (bits - 1)
    scale = torch.where(scale > 0, scale, 1.0)
    largest = 2 ** (bits - 1) - 1
    return (weight / scale[:, None]).round().clamp(-largest, largest).to(torch.int8), scale


def uses_256_codes(weight, bits):
    scale = weight.abs().amax(1) / (2**bits - 1)
    scale = torch.where(scale > 0, scale, 1.0)
    largest = 2 ** (bits - 1) - 1
    return (weight / scale[:, None]).round().clamp(-largest, largest).to(torch.int8), scale


def no_guard(weight, bits):
    scale = weight.abs().amax(1) / (2 ** (bits - 1) - 1)
    return (weight / scale[:, None]).round().nan_to_num(0).to(torch.int8), scale


def still_floats(weight, bits):
    codes, scale = by_max_values(weight, bits)
    return codes.float(), scale


def always_eight_bits(weight, bits):
    return by_max_values(weight, 8)


def scale_upside_down(weight, bits):
    codes, scale = by_max_values(weight, bits)
    return codes, 1 / scale


def keeps_an_axis(weight, bits):
    codes, scale = by_max_values(weight, bits)
    return codes, scale[:, None]


WRONG = {
    one_scale: "One scale for the whole matrix",
    by_columns: "A scale for each column",
    casts_without_rounding: "cut the fraction off",
    divides_by_128: "The largest code is one less",
    uses_256_codes: "half of the codes are for negative",
    no_guard: "A row of zeros gets the scale 0",
    still_floats: "still floats",
    always_eight_bits: "short rows, 3 bits",
    scale_upside_down: "Part 1",
    keeps_an_axis: "Your shape is",
}
RIGHT = [by_max_values, row_by_row, by_the_reciprocal]


def a_half_more_and_down(weight, bits):
    codes, scale = by_max_values(weight, bits)
    return (weight / scale[:, None] + 0.5).floor().to(torch.int8), scale


WRONG[a_half_more_and_down] = "add a half and round down"
