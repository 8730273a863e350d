"""Where each of our tensors is in a checkpoint of `transformers`, and in which layout.

A `Link` joins the tensors of one part: the same numbers, cut, transposed, stacked or reordered.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.architecture.config import ModelConfig
from course_lib.architecture.decoder import Decoder
from course_lib.architecture.families.presets import family_of
from course_lib.architecture.positions import half_split_permutation

Tensors = list[Tensor]
# What old files keep beside the weights, and every class makes anew.
_DERIVED = re.compile(r"\.(attn\.bias|attn\.masked_bias|rotary_emb\.inv_freq)$")


@dataclass(frozen=True)
class Link:
    """`there` makes their tensors from ours, `back` ours from theirs, in the order of the names."""

    ours: list[str]
    theirs: list[str]
    there: Callable[[Tensors], Tensors]
    back: Callable[[Tensors], Tensors]


def their_weights(model: Decoder) -> dict[str, Tensor]:
    """Our weights under the names, and in the layout, of the model's family."""
    ours, theirs = model.state_dict(), {}
    for link in _links(model.config):
        tensors = link.there([ours[name] for name in link.ours])
        theirs.update(zip(link.theirs, tensors, strict=True))
    return {name: weight.detach().clone().contiguous() for name, weight in theirs.items()}


def our_weights(theirs: dict[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Their weights under our names.

    Raises ValueError for tensors that are missing, or that the family doesn't have.
    """
    ours: dict[str, Tensor] = {}
    links = list(_links(config))
    known = {name for link in links for name in link.theirs}
    missing = sorted(known - theirs.keys())
    unknown = sorted(name for name in theirs.keys() - known if not _DERIVED.search(name))
    if config.tied and "lm_head.weight" in unknown:
        unknown.remove("lm_head.weight")  # the embedding once more
    if missing or unknown:
        family = family_of(config)
        raise ValueError(
            f"no {family} of these sizes: tensors missing {missing[:3]}, too many {unknown[:3]}"
        )
    for link in links:
        tensors = link.back([theirs[name] for name in link.theirs])
        ours.update(zip(link.ours, tensors, strict=True))
    return {name: weight.detach().clone().contiguous() for name, weight in ours.items()}


def _links(config: ModelConfig) -> Iterator[Link]:
    family = family_of(config)
    if family == "gpt2":
        yield from _gpt2_links(config)
    else:
        yield _same("embed.weight", "model.embed_tokens.weight")
        yield _same("norm.weight", "model.norm.weight")
        for i in range(config.n_layers):
            ours, theirs = f"blocks.{i}.", f"model.layers.{i}."
            yield _same(ours + "attention_norm.weight", theirs + "input_layernorm.weight")
            yield _same(ours + "mlp_norm.weight", theirs + "post_attention_layernorm.weight")
            yield _same(ours + "attention.out.weight", theirs + "self_attn.o_proj.weight")
            attention = _latent_links if family == "deepseek" else _grouped_links
            yield from attention(config, ours + "attention.", theirs + "self_attn.")
            mlp = _expert_links if family == "mixtral" else _swiglu_links
            yield from mlp(config, ours + "mlp.", theirs + "mlp.")
    if not config.tied:
        yield _same("head.weight", "lm_head.weight")


def _grouped_links(config: ModelConfig, ours: str, theirs: str) -> Iterator[Link]:
    sizes = [n * config.d_head for n in (config.n_heads, config.n_kv_heads, config.n_kv_heads)]
    yield Link(
        [ours + "qkv.weight"],
        [f"{theirs}{letter}_proj.weight" for letter in "qkv"],
        there=lambda tensors: list(tensors[0].split(sizes)),
        back=lambda tensors: [torch.cat(tensors)],
    )
    if config.qk_norm:
        yield _same(ours + "q_norm.weight", theirs + "q_norm.weight")
        yield _same(ours + "k_norm.weight", theirs + "k_norm.weight")


def _latent_links(config: ModelConfig, ours: str, theirs: str) -> Iterator[Link]:
    """DeepSeek turns neighbours, we turn halves: rows that RoPE turns change places."""
    latent = config.latent
    if latent.q_rank is None:
        yield _turned(ours + "q.weight", theirs + "q_proj.weight", config.n_heads, latent.d_rope)
    else:
        yield _same(ours + "q_down.weight", theirs + "q_a_proj.weight")
        yield _same(ours + "q_gain", theirs + "q_a_layernorm.weight")
        q_up, q_b = ours + "q_up.weight", theirs + "q_b_proj.weight"
        yield _turned(q_up, q_b, config.n_heads, latent.d_rope)
    yield _turned(ours + "kv_down.weight", theirs + "kv_a_proj_with_mqa.weight", 1, latent.d_rope)
    yield _same(ours + "kv_gain", theirs + "kv_a_layernorm.weight")
    yield _same(ours + "kv_up.weight", theirs + "kv_b_proj.weight")


def _swiglu_links(config: ModelConfig, ours: str, theirs: str) -> Iterator[Link]:
    for name in ("gate", "up", "down"):
        yield _same(f"{ours}{name}.weight", f"{theirs}{name}_proj.weight")


def _expert_links(config: ModelConfig, ours: str, theirs: str) -> Iterator[Link]:
    """Theirs keep all experts in one tensor, gate above up."""
    each = [f"{ours}experts.{e}." for e in range(config.n_experts)]
    yield _same(ours + "router.weight", theirs + "gate.weight")
    yield Link(
        [name + part for name in each for part in ("gate.weight", "up.weight")],
        [theirs + "experts.gate_up_proj"],
        there=lambda t: [torch.stack([torch.cat(t[i : i + 2]) for i in range(0, len(t), 2)])],
        back=lambda t: [half for expert in t[0] for half in expert.chunk(2)],
    )
    yield Link(
        [name + "down.weight" for name in each],
        [theirs + "experts.down_proj"],
        there=lambda t: [torch.stack(t)],
        back=lambda t: list(t[0]),
    )


def _gpt2_links(config: ModelConfig) -> Iterator[Link]:
    """GPT-2 keeps its matrices as x W, with W [d_in, d_out]; queries, keys, values are one."""
    yield _same("embed.weight", "transformer.wte.weight")
    yield _same("positions.weight", "transformer.wpe.weight")
    norms = {"norm": "ln_f"}
    for i in range(config.n_layers):
        norms[f"blocks.{i}.attention_norm"] = f"h.{i}.ln_1"
        norms[f"blocks.{i}.mlp_norm"] = f"h.{i}.ln_2"
        for ours, theirs in (
            ("attention.qkv", "attn.c_attn"),
            ("attention.out", "attn.c_proj"),
            ("mlp.up", "mlp.c_fc"),
            ("mlp.down", "mlp.c_proj"),
        ):
            ours, theirs = f"blocks.{i}.{ours}.", f"transformer.h.{i}.{theirs}."
            yield _transposed(ours + "weight", theirs + "weight")
            yield _same(ours + "bias", theirs + "bias")
    for ours, theirs in norms.items():
        yield _same(f"{ours}.weight", f"transformer.{theirs}.weight")
        yield _same(f"{ours}.bias", f"transformer.{theirs}.bias")


def _same(ours: str, theirs: str) -> Link:
    return Link([ours], [theirs], there=lambda tensors: tensors, back=lambda tensors: tensors)


def _transposed(ours: str, theirs: str) -> Link:
    def turn(tensors: Tensors) -> Tensors:
        return [tensors[0].T]

    return Link([ours], [theirs], there=turn, back=turn)


def _turned(ours: str, theirs: str, n_heads: int, d_rope: int) -> Link:
    """The last d_rope rows of each head: half-split in ours, interleaved in theirs."""
    order = half_split_permutation(d_rope)

    def reorder(weight: Tensor, order: Tensor) -> Tensor:
        heads = weight.unflatten(0, (n_heads, -1))
        plain, turned = heads[:, :-d_rope], heads[:, -d_rope:]
        return torch.cat((plain, turned[:, order]), dim=1).flatten(0, 1)

    return Link(
        [ours],
        [theirs],
        there=lambda tensors: [reorder(tensors[0], order.argsort())],
        back=lambda tensors: [reorder(tensors[0], order)],
    )
