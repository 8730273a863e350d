"""Activation memory: what the forward pass keeps for the backward one, by formula and counted."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_lib.architecture.decoder import ModelConfig


def activation_bytes(
    config: ModelConfig, seq: int, batch: int = 1, bytes_per_value: int = 4
) -> int:
    """Bytes that the course's decoder keeps from tokens to logits, with scores written out.

    A layer keeps, for each token: of each of its two norms the input, the input scaled, their
    factor and the output (3 d_model + 1); q, k and v after the groups are shared out, and the mixed
    values (4 n_heads d_head); seq weights a head; gate, up, SiLU(gate) and their product (4 d_ff).
    The end keeps one norm more, and each token its id of 8 bytes. A fused attention kernel keeps
    one number a head in place of seq. The loss, which comes after, keeps vocab_size numbers more.
    """
    d, heads = config.d_model, config.n_heads
    a_layer = 2 * (3 * d + 1) + 4 * heads * config.d_head + heads * seq + 4 * config.d_ff
    values = config.n_layers * a_layer + 3 * d + 1
    return batch * seq * (values * bytes_per_value + 8)


def gpt_activation_bytes(
    *,
    d_model: int,
    n_heads: int,
    n_layers: int,
    seq: int,
    batch: int = 1,
    recompute: str = "nothing",
) -> int:
    """Bytes that the layers of a GPT with dropout keep in 16-bit training.

    s b h (34 + 5 a s / h) a layer, with s = seq, b = batch, h = d_model, a = n_heads; 34 s b h if
    the attention's scores are computed again in the backward pass; 2 s b h if the whole layer is,
    from its input. Source: Korthikanti et al. 2022, equation 1 and table 2, without parallelism.
    """
    tokens = seq * batch
    a_layer = {
        "nothing": 34 * tokens * d_model + 5 * n_heads * seq * tokens,
        "attention": 34 * tokens * d_model,
        "everything": 2 * tokens * d_model,
    }
    if recompute not in a_layer:
        raise ValueError(f"recompute is {recompute!r}, expected one of {', '.join(a_layer)}")
    return n_layers * a_layer[recompute]


def saved_bytes(model: nn.Module, forward: Callable[[], Tensor]) -> int:
    """Bytes that autograd saves during `forward`, weights and buffers of `model` left out.

    Tensors that share memory count once.
    """
    own = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    saved: dict[int, int] = {}
    alive = []  # a freed tensor's address could come again

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        forward()
    return sum(saved.values())
