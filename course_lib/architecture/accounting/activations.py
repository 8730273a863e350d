"""Activation memory: what the forward pass keeps for the backward one, by formula and counted."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from course_lib.architecture.accounting.sizes import Sizes, sizes_of
from course_lib.architecture.config import ModelConfig

INDEX = 8  # bytes of a token's id, of an expert's number, of a place in a batch


@dataclass(frozen=True, kw_only=True)
class Activations:
    """Bytes that the forward pass keeps for the backward one, from tokens to logits."""

    layers: int  # of all layers
    layer: int  # of the one that keeps most
    end: int  # the last norm, and the tokens' ids

    @property
    def total(self) -> int:
        """All of them."""
        return self.layers + self.end


def activation_bytes(
    model: ModelConfig | Sizes,
    seq: int,
    batch: int = 1,
    bytes_per_value: int = 4,
    *,
    fused: bool = False,
) -> Activations:
    """What autograd keeps of our decoder; exact in float32 with attention's scores written out.

    A token keeps, in numbers: for each norm over d channels its input, the input scaled, their
    factor and the output, 3 d + 1; of attention queries, keys and values, after the groups are
    shared out, the mixed values, and `seq` weights a head; of a gated block gate, up, their
    activation and product, 4 d_ff, of a plain one 2 d_ff; see `_latent` and `_experts` for those.
    Each token keeps its id. The loss, which comes after, keeps vocab_size numbers a token more.

    fused: a kernel that keeps one number a head in place of `seq` (FlashAttention; Dao et al.
    2022). Two bytes a value make it an estimate: norms and routers then keep some in float32. So is
    it for published choices that our decoder doesn't offer, as four norms a layer.
    """
    _check(model, seq, batch)
    s = sizes_of(model)
    tokens = seq * batch
    attention = s.norms_a_layer * _norm(s.d_model) + s.n_heads * (1 if fused else seq)
    if s.latent:
        attention += _latent(s)
    else:
        attention += _grouped(s, copied=fused or s.n_kv_heads < s.n_heads or batch > 1 < s.n_heads)
    common = (tokens * attention + _latent_weights(s)) * bytes_per_value
    plain = common + tokens * _block(s, s.d_ff) * bytes_per_value
    expert = common + tokens * _experts(s, bytes_per_value)
    counts = [(s.plain_layers, plain), (s.expert_layers, expert)]
    return Activations(
        layers=sum(count * layer for count, layer in counts),
        layer=max(layer for count, layer in counts if count),
        end=tokens * (_norm(s.d_model) * bytes_per_value + INDEX),
    )


def _check(model: ModelConfig | Sizes, seq: int, batch: int) -> None:
    if seq < 1 or batch < 1:
        raise ValueError(f"batch={batch}, seq={seq}: expected at least 1 of each")
    if sizes_of(model).latent and seq == 1:
        raise ValueError("seq=1 with latent attention: expected at least 2, one is run absorbed")
    if isinstance(model, ModelConfig) and model.qk_norm and model.norm == "layer":
        raise ValueError("norm is 'layer' with qk_norm: expected 'rms', the one that is counted")


def _norm(channels: int) -> int:
    return 3 * channels + 1


def _block(s: Sizes, width: int) -> int:
    return (4 if s.gated else 2) * width


def _grouped(s: Sizes, *, copied: bool) -> int:
    """Numbers a token: q, k, v and the mix, and what the norms of q and k keep.

    Where v isn't `copied` to be multiplied, as for one row, or one head, and as many key heads, it
    keeps alive what it is a part of: all that the projection made. So do the norms, by their input.
    """
    a_part = s.n_heads * s.d_head
    made = (s.n_heads + 2 * s.n_kv_heads) * s.d_head if s.qk_norm or not copied else 0
    normed = (s.n_heads + s.n_kv_heads) * (s.d_head + 1) if s.qk_norm else 0
    return 3 * a_part + (a_part if copied else 0) + made + normed


def _latent(s: Sizes) -> int:
    """Numbers a token: the compressed vectors with their norms, and every head's q, k, v and mix.

    The latent comes in one piece with the rotary part of the key, which its norm's input keeps.
    """
    compressed = _norm(s.kv_rank) + s.d_rope + (_norm(s.q_rank) if s.q_rank else 0)
    return compressed + s.n_heads * 2 * (s.qk_size + s.value_size)


def _latent_weights(s: Sizes) -> int:
    """Numbers, however many tokens: the two halves of kv_up, copied where they are no matrices."""
    if not s.latent:
        return 0
    halves = [d for d in (s.d_head, s.d_value) if min(d, s.n_heads, s.kv_rank) > 1]
    return s.kv_rank * s.n_heads * sum(halves)


def _experts(s: Sizes, bytes_per_value: int) -> int:
    """Bytes a token: the router's probabilities, and what each chosen expert keeps.

    Of the choice its weights, their sum and the experts' numbers; of an expert the two indices by
    which the token came, its input, its block, its output, its weight and the product of the two.
    """
    k, block = s.experts_a_token, _block(s, s.d_expert)
    values = s.n_experts + k + 1 + k * (3 * s.d_model + block + 1) + s.shared_experts * block
    return values * bytes_per_value + 3 * k * INDEX


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
