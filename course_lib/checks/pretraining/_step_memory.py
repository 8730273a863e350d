"""Predict, then count: the bytes that a training step holds when its forward pass has ended."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F

from course_lib.checks.exercise import Case, Exercise, Property

Bytes = dict[str, int]
SIZES = (  # layers, d_model, d_ff, tokens; each up to this many times two
    ("one layer, fp32, GELU", 1, 4, 8, 3, False, "gelu"),
    ("several layers, fp32, GELU", 3, 8, 20, 10, False, "gelu"),
    ("several layers, fp32, ReLU", 2, 12, 16, 7, False, "relu"),
    ("one layer, mixed precision, GELU", 1, 6, 24, 5, True, "gelu"),
    ("several layers, mixed precision, ReLU", 4, 6, 10, 12, True, "relu"),
)


def _cases(seed: int) -> list[Case]:
    generator = torch.Generator().manual_seed(seed)

    def draw(least: int) -> int:
        return least + int(torch.randint(least + 2, (1,), generator=generator))

    cases = [
        Case(what, (layers if layers == 1 else draw(layers), *map(draw, sizes), mixed, name))
        for what, layers, *sizes, mixed, name in SIZES
    ]
    return [*cases, Case("one token", (draw(2), draw(3), draw(4), 1, True, "gelu"), edge=True)]


def counted(
    n_layers: int, d_model: int, d_ff: int, tokens: int, mixed: bool, activation: str
) -> Bytes:
    """Build it, run it, count: bytes of weights, gradients, states and activations.

    What the backward pass will need is what autograd packs away; weights are no activations.
    """
    dtype, act = torch.bfloat16 if mixed else torch.float32, getattr(F, activation)
    shapes = [(d_model, d_ff), (d_ff, d_model)] * n_layers
    weights = [torch.full(shape, 0.1, dtype=dtype, requires_grad=True) for shape in shapes]
    kept: dict[int, Tensor] = {}  # the tensors themselves: a freed address could be used again

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    x = torch.ones(tokens, d_model, dtype=dtype)
    with saved_tensors_hooks(pack, lambda tensor: tensor):
        for up, down in zip(weights[::2], weights[1::2], strict=True):
            x = x + act(x @ up) @ down
        loss = x.float().mean()
    of_weights = {weight.untyped_storage().data_ptr() for weight in weights}
    activations = sum(_size(tensor) for at, tensor in kept.items() if at not in of_weights)
    loss.backward()
    states = [torch.zeros(w.shape) for w in weights for _ in range(3 if mixed else 2)]
    return {
        "weights": sum(map(_size, weights)),
        "gradients": sum(_size(weight.grad) for weight in weights),
        "states": sum(map(_size, states)),  # the two moments, and the copy in fp32
        "activations": activations,
    }


def _size(tensor: Tensor) -> int:
    return tensor.untyped_storage().nbytes()


def _formula(
    *,
    matrices: int = 2,
    gradient: Callable[[bool], int] = lambda mixed: 2 if mixed else 4,
    state: Callable[[bool], int] = lambda mixed: 12 if mixed else 8,
    number: Callable[[bool], int] = lambda mixed: 2 if mixed else 4,
    kept: Callable[[int, int, str], int] = lambda d, f, name: d + (2 if name == "gelu" else 1) * f,
    layered: bool = True,
) -> Callable:
    """The right sum, with one thing to get wrong at a time."""

    def predict(n_layers, d_model, d_ff, tokens, mixed, activation):
        n = matrices * n_layers * d_model * d_ff
        a_token = kept(d_model, d_ff, activation) * (n_layers if layered else 1)
        return {
            "weights": n * (2 if mixed else 4),
            "gradients": n * gradient(mixed),
            "states": n * state(mixed),
            "activations": tokens * a_token * number(mixed),
        }

    return predict


def _grows_with_tokens(answer: Callable, seed: int) -> str | None:
    """Only activations grow with the batch."""
    one, ten = (answer(2, 4 + seed % 7, 8, tokens, False, "gelu") for tokens in (6, 60))
    for part in ("weights", "gradients", "states"):
        if one[part] != ten[part]:
            return f"Ten times the tokens, and {part} go from {one[part]:,} to {ten[part]:,} bytes."
    if ten["activations"] != 10 * one["activations"]:
        was, now = one["activations"], ten["activations"]
        return f"Ten times the tokens: activations go from {was:,} to {now:,} bytes."
    return None


_MISTAKES = {
    "Of the activations you count only each layer's input. That is what is left when layers are "
    "recomputed; here the backward pass needs what is between the matrices too.": _formula(
        kept=lambda d, f, name: d
    ),
    "You keep one tensor of d_ff for GELU. Its slope needs what went in, and the second matrix's "
    "gradient needs what came out: two tensors.": _formula(kept=lambda d, f, name: d + f),
    "You keep two tensors of d_ff for ReLU. Its slope can be read off its result (above 0 or not), "
    "and that is kept already for the second matrix.": _formula(kept=lambda d, f, name: d + 2 * f),
    "You keep each layer's output besides its input. A sum needs nothing for its gradient, and the "
    "output is the next layer's input: it would be counted twice.": _formula(
        kept=lambda d, f, name: 2 * d + (2 if name == "gelu" else 1) * f
    ),
    "You forgot the layer's input: the gradient of the first matrix is a product of it.": _formula(
        kept=lambda d, f, name: (2 if name == "gelu" else 1) * f
    ),
    "Your activations are one layer's. All layers wait for the backward pass with theirs.": (
        _formula(layered=False)
    ),
    "You count one matrix a layer; there are two, up and down.": _formula(matrices=1),
    "In mixed precision the optimizer keeps a copy of the weights in fp32 besides the moments: "
    "4 + 4 + 4 bytes, not 8.": _formula(state=lambda mixed: 8),
    "In mixed precision you hold the moments in 2 bytes a number. The optimizer's states stay in "
    "fp32: copy, mean and mean square.": _formula(state=lambda mixed: 6 if mixed else 8),
    "You count 4 bytes for an activation in mixed precision: they are in bf16, 2 bytes.": _formula(
        number=lambda mixed: 4
    ),
    "You count 4 bytes for a gradient in mixed precision: here they are in bf16, as the weights.": (
        _formula(gradient=lambda mixed: 4)
    ),
    "You forgot one of AdamW's two moments.": _formula(state=lambda mixed: 8 if mixed else 4),
}

step_memory = Exercise(
    name="pretraining/step_memory",
    title="What a step holds",
    answer="my_step_memory",
    kind="predict",
    minutes=25,
    points=10,
    cases=_cases,
    reference=counted,
    mistakes=_MISTAKES,
    properties=(Property("only activations grow with the batch", _grows_with_tokens),),
)
