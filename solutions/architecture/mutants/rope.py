"""Answers to rotary positions as learners write them: wrong with their hint, and right."""

import torch

BASE = 10_000


def angles_of(x, positions):
    d_head = x.shape[-1]
    inv_freq = 1.0 / BASE ** (torch.arange(0, d_head, 2).float() / d_head)
    return torch.einsum("bs,c->bsc", positions.float(), inv_freq)[:, None]


def rotate_half(x):
    half = x.shape[-1] // 2
    return torch.cat((-x[..., half:], x[..., :half]), dim=-1)


def as_in_the_libraries(x, positions):
    angles = angles_of(x, positions)
    angles = torch.cat((angles, angles), dim=-1)
    return x * angles.cos() + rotate_half(x) * angles.sin()


def by_complex_numbers(x, positions):
    half = x.shape[-1] // 2
    pairs = torch.complex(x[..., :half], x[..., half:])
    turned = pairs * torch.exp(1j * angles_of(x, positions))
    return torch.cat((turned.real, turned.imag), dim=-1)


def pair_by_pair(x, positions):
    half = x.shape[-1] // 2
    columns = [None] * x.shape[-1]
    for c in range(half):
        angle = positions[:, None, :] * BASE ** (-2 * c / x.shape[-1])
        cos, sin = torch.cos(angle), torch.sin(angle)
        columns[c] = x[..., c] * cos - x[..., c + half] * sin
        columns[c + half] = x[..., c] * sin + x[..., c + half] * cos
    return torch.stack(columns, dim=-1)


def turns_neighbours(x, positions):
    angles = angles_of(x, positions)
    pairs = torch.complex(x[..., 0::2].contiguous(), x[..., 1::2].contiguous())
    return torch.view_as_real(pairs * torch.exp(1j * angles)).flatten(-2)


def turns_backwards(x, positions):
    return as_in_the_libraries(x, -positions)


def has_no_minus_in_rotate_half(x, positions):
    angles = angles_of(x, positions)
    angles = torch.cat((angles, angles), dim=-1)
    half = x.shape[-1] // 2
    swapped = torch.cat((x[..., half:], x[..., :half]), dim=-1)
    return x * angles.cos() + swapped * angles.sin()


def puts_both_minuses(x, positions):
    angles = angles_of(x, positions)
    a, b = x.split(x.shape[-1] // 2, dim=-1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([a * cos - b * sin, b * cos - a * sin], -1)


def counts_from_the_shape(x, positions):
    count = torch.arange(x.size(-2)).repeat(x.size(0), 1)
    return as_in_the_libraries(x, count)


def counts_from_one(x, positions):
    return by_complex_numbers(x, positions + 1)


def takes_the_first_row(x, positions):
    return as_in_the_libraries(x, positions[0].repeat(x.shape[0], 1))


def halves_the_exponent(x, positions):
    d_head = x.shape[-1]
    rates = BASE ** (-torch.arange(d_head // 2) / d_head)
    angles = (positions[..., None] * rates)[:, None]
    a, b = x.chunk(2, -1)
    return torch.cat([a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()], -1)


def repeats_each_angle_for_neighbours(x, positions):
    angles = angles_of(x, positions).repeat_interleave(2, dim=-1)
    return x * angles.cos() + rotate_half(x) * angles.sin()


def detaches(x, positions):
    return as_in_the_libraries(x.detach(), positions)


def works_in_place(x, positions):
    turned = as_in_the_libraries(x, positions)
    x.copy_(turned)
    return x


def mixes_up_heads_and_tokens(x, positions):
    angles = angles_of(x, positions).transpose(1, 2)
    angles = torch.cat((angles, angles), dim=-1)
    return x * angles.cos() + rotate_half(x) * angles.sin()


WRONG = {
    turns_neighbours: "pairs channel c with c + d_head / 2",
    turns_backwards: "the other way round",
    has_no_minus_in_rotate_half: "Farthest apart",
    puts_both_minuses: "Both halves have a minus",
    counts_from_the_shape: "count 0, 1, 2",
    counts_from_one: "count positions from 1",
    takes_the_first_row: "All rows get the positions of the first",
    halves_the_exponent: "fall too slowly",
    repeats_each_angle_for_neighbours: "Farthest apart",
    detaches: "gradient of x",
    works_in_place: "leaf Variable",
    mixes_up_heads_and_tokens: "Your shape is",
}
RIGHT = [as_in_the_libraries, by_complex_numbers, pair_by_pair]
