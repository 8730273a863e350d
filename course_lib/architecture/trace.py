"""One forward pass written flat, with every tensor kept: for looking, not for training.

It computes what `model.Decoder` computes, from the same pure functions and the same weights, with
the attention weights written out. A test holds the two to each other.
"""

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_lib.architecture.attention.dot_product import attention_weights
from course_lib.architecture.attention.masks import causal_mask
from course_lib.architecture.config import ModelConfig
from course_lib.architecture.decoder import Block, Decoder
from course_lib.architecture.ops import rms_norm, rope, swiglu


@torch.no_grad()
def trace(model: Decoder, tokens: Int[Tensor, "batch seq"]) -> dict[str, Tensor]:
    """Every tensor of model(tokens), by name, in the order in which they are made.

    Names of a block begin with its number: "0.q", "0.weights", ... "0.out"; "embed" comes before,
    "norm" and "logits" after the blocks. Raises ValueError where a choice isn't Llama's.
    """
    _require_llama(model.config)
    seq = tokens.shape[1]
    cos, sin = model.cos[:seq], model.sin[:seq]
    mask = causal_mask(seq, window=model.config.sliding_window, device=tokens.device)
    kept = {"embed": model.embed(tokens)}
    x = kept["embed"]
    for i, block in enumerate(model.blocks):
        steps = _trace_block(block, x, cos, sin, mask)
        kept.update({f"{i}.{name}": tensor for name, tensor in steps.items()})
        x = steps["out"]
    kept["norm"] = model.norm(x)
    kept["logits"] = model.unembed(kept["norm"])
    return kept


def _trace_block(
    block: Block,
    x: Float[Tensor, "batch seq d_model"],
    cos: Float[Tensor, "seq half"],
    sin: Float[Tensor, "seq half"],
    mask: Bool[Tensor, "seq seq"],
) -> dict[str, Tensor]:
    part, kept = block.attention, {}
    kept["normed"] = rms_norm(x, block.attention_norm.weight, block.attention_norm.eps)
    heads = rearrange(part.qkv(kept["normed"]), "b seq (h d) -> b h seq d", d=part.d_head)
    sizes = [part.n_heads, part.n_kv_heads, part.n_kv_heads]
    kept["q"], kept["k"], kept["v"] = heads.split(sizes, dim=1)
    kept["q turned"] = rope(kept["q"], cos, sin)
    kept["k turned"] = rope(kept["k"], cos, sin)
    kept["weights"] = attention_weights(kept["q turned"], kept["k turned"], mask)
    group = part.n_heads // part.n_kv_heads
    kept["mixed"] = kept["weights"] @ kept["v"].repeat_interleave(group, dim=1)
    kept["attention"] = part.out(rearrange(kept["mixed"], "b h seq d -> b seq (h d)"))
    kept["middle"] = x + kept["attention"]
    kept["normed again"] = rms_norm(kept["middle"], block.mlp_norm.weight, block.mlp_norm.eps)
    kept["gate"] = block.mlp.gate(kept["normed again"])
    kept["up"] = block.mlp.up(kept["normed again"])
    kept["gated"] = swiglu(kept["gate"], kept["up"])
    kept["mlp"] = block.mlp.down(kept["gated"])
    kept["out"] = kept["middle"] + kept["mlp"]
    return kept


def _require_llama(config: ModelConfig) -> None:
    llama = ModelConfig(vocab_size=config.vocab_size)
    for name in ("norm", "wiring", "position", "qk_norm", "bias", "mlp", "latent"):
        if getattr(config, name) != getattr(llama, name):
            raise ValueError(
                f"trace: {name} is {getattr(config, name)!r}, expected {getattr(llama, name)!r}: "
                "only the course's own shape is written out here"
            )
