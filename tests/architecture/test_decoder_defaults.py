"""The default decoder, computed again in plain torch: names, first weights, logits.

Every artifact of the course rests on these. A new choice in the config must not move them.
"""

import json

import torch
from torch.nn import functional as F

from course_lib.architecture.decoder import Decoder, ModelConfig, load_model, save_model

OLD = {  # what config.json held before there were choices
    "vocab_size": 31,
    "d_model": 24,
    "n_layers": 2,
    "n_heads": 4,
    "n_kv_heads": 2,
    "d_ff": 40,
    "max_seq": 32,
    "rope_theta": 10000.0,
    "norm_eps": 1e-05,
    "sliding_window": None,
    "tied": True,
}
D, LAYERS, HEADS, KV, FF, D_HEAD = 24, 2, 4, 2, 40, 6
SHAPES = {  # in the order in which they are drawn
    "attention_norm.weight": (D,),
    "attention.qkv.weight": ((HEADS + 2 * KV) * D_HEAD, D),
    "attention.out.weight": (D, D),
    "mlp_norm.weight": (D,),
    "mlp.gate.weight": (FF, D),
    "mlp.up.weight": (FF, D),
    "mlp.down.weight": (D, FF),
}


def plain_weights(seed: int) -> dict[str, torch.Tensor]:
    shapes = {"embed.weight": (31, D)}
    shapes |= {f"blocks.{i}.{name}": shape for i in range(LAYERS) for name, shape in SHAPES.items()}
    shapes["norm.weight"] = (D,)
    generator, weights = torch.Generator().manual_seed(seed), {}
    for name, shape in shapes.items():
        if len(shape) == 1:
            weights[name] = torch.ones(shape)
            continue
        residual = 2 * LAYERS if name.endswith(("out.weight", "down.weight")) else 1
        spread = (shape[1] * residual) ** -0.5
        weights[name] = torch.empty(shape).normal_(0.0, spread, generator=generator)
    return weights


def plain_norm(x):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5)


def plain_rope(x):
    rates = 1.0 / 10_000.0 ** (torch.arange(0, D_HEAD, 2, dtype=torch.float32) / D_HEAD)
    angles = torch.outer(torch.arange(x.shape[-2], dtype=torch.float32), rates)
    a, b = x[..., : D_HEAD // 2], x[..., D_HEAD // 2 :]
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


def plain_logits(w, tokens):
    batch, seq = tokens.shape
    mask = torch.ones(seq, seq, dtype=torch.bool).tril()
    x = w["embed.weight"][tokens]
    for i in range(LAYERS):
        p = {name: w[f"blocks.{i}.{name}"] for name in SHAPES}
        heads = F.linear(plain_norm(x), p["attention.qkv.weight"])
        heads = heads.view(batch, seq, HEADS + 2 * KV, D_HEAD).transpose(1, 2)
        q, k = plain_rope(heads[:, : HEADS + KV]).split([HEADS, KV], dim=1)
        mixed = F.scaled_dot_product_attention(
            q, k, heads[:, HEADS + KV :], attn_mask=mask[None, None], enable_gqa=True
        )
        x = x + F.linear(mixed.transpose(1, 2).flatten(2), p["attention.out.weight"])
        h = plain_norm(x)
        gated = F.silu(F.linear(h, p["mlp.gate.weight"])) * F.linear(h, p["mlp.up.weight"])
        x = x + F.linear(gated, p["mlp.down.weight"])
    return F.linear(plain_norm(x), w["embed.weight"])


@torch.no_grad()
def test_names_first_weights_and_logits_are_as_they_ever_were():
    model, weights = Decoder(ModelConfig(**OLD), torch.Generator().manual_seed(3)), plain_weights(3)
    ours = model.state_dict()
    assert list(ours) == list(weights)
    assert [name for name in ours if not torch.equal(ours[name], weights[name])] == []
    tokens = torch.randint(0, 31, (2, 20), generator=torch.Generator().manual_seed(1))
    logits = model(tokens)
    assert logits.std() > 0.5
    torch.testing.assert_close(logits, plain_logits(weights, tokens), atol=2e-6, rtol=0)


def test_a_config_from_before_the_choices_still_loads(tmp_path):
    config = ModelConfig.from_dict(OLD)
    assert config == ModelConfig(**OLD)
    assert {name: config.to_dict()[name] for name in OLD} == OLD
    model = Decoder(config)
    save_model(model, tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(OLD))
    assert load_model(tmp_path).config == config
