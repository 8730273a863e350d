"""Every choice of the config keeps what a decoder promises, and does what its name says."""

import pytest
import torch
from torch import nn

from course_lib.architecture.attention.dot_product import GrowingCache
from course_lib.architecture.config import Latent
from course_lib.architecture.decoder import Decoder, ModelConfig, load_model, save_model
from course_lib.architecture.sampling.generate import generate
from course_lib.architecture.trace import trace
from course_lib.deployment.kv_cache import decode_naive
from tests.architecture.test_decoder import TINY, lively, tokens

LATENT = Latent(kv_rank=10, q_rank=14, d_nope=6, d_rope=4, d_value=8)
CHOICES = {
    "layer norm": {"norm": "layer"},
    "biases": {"norm": "layer", "bias": True},
    "post": {"wiring": "post"},
    "parallel": {"wiring": "parallel"},
    "learned": {"position": "learned"},
    "sinusoidal": {"position": "sinusoidal"},
    "alibi": {"position": "alibi"},
    "alibi, window": {"position": "alibi", "sliding_window": 4},
    "nope": {"position": "none"},
    "qk norm": {"qk_norm": True, "norm": "layer", "bias": True},
    "head size": {"head_size": 10},
    "gelu": {"mlp": "gelu"},
    "relu2": {"mlp": "relu2"},
    "experts": {"mlp": "moe", "n_experts": 4, "top_k": 2},
    "latent": {"latent": LATENT, "n_kv_heads": 4},
    "latent, one query matrix": {
        "latent": Latent(kv_rank=10, d_nope=6, d_rope=4, d_value=8),
        "n_kv_heads": 4,
    },
}


def with_choice(name: str) -> Decoder:
    return lively(ModelConfig(**{**TINY.to_dict(), **CHOICES[name]}))


def apart(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a - b).abs().amax(-1)


@pytest.mark.parametrize("name", CHOICES)
@torch.no_grad()
def test_a_choice_changes_the_function_and_no_token_sees_ahead(name):
    model, x = with_choice(name), tokens()
    assert apart(model(x), lively()(x))[:, 1:].min() > 1e-4
    changed = x.clone()
    changed[:, 6] = (changed[:, 6] + 1) % 31
    moved = apart(model(x), model(changed))
    assert moved[:, :6].max() < 1e-5
    assert moved[:, 6].min() > 1e-4


@pytest.mark.parametrize("name", CHOICES)
@torch.no_grad()
def test_decoding_with_a_cache_equals_one_pass(name):
    model, x, cache = with_choice(name), tokens(), GrowingCache(capacity=3)
    pieces = [model(x[:, a:b], cache=cache) for a, b in ((0, 3), (3, 4), (4, 5), (5, 9), (9, 10))]
    torch.testing.assert_close(torch.cat(pieces, 1), model(x), atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("name", CHOICES)
def test_padded_prompts_get_the_answers_they_get_alone(name):
    model, prompts = with_choice(name), [tokens()[0, :3].tolist(), tokens()[1, :8].tolist()]
    together = generate(model, prompts, max_new_tokens=8)
    assert together == [generate(model, [p], max_new_tokens=8)[0] for p in prompts]
    assert together == [list(decode_naive(model, p, 8)) for p in prompts]


@pytest.mark.parametrize("name", CHOICES)
def test_every_weight_gets_a_gradient_and_the_choice_survives_a_file(name, tmp_path):
    model, x = with_choice(name), tokens(batch=8)
    model(x).logsumexp(-1).sum().backward()
    assert [n for n, w in model.named_parameters() if not w.grad.abs().sum() > 0] == []
    save_model(model, tmp_path)
    back = load_model(tmp_path)
    assert back.config == model.config
    assert torch.equal(back(x), model(x))


@pytest.mark.parametrize("name", CHOICES)
def test_fresh_weights(name):
    """Matrices are Linear or Embedding, at the spread of what they read; gains 1, biases 0."""
    config = ModelConfig(**{**TINY.to_dict(), **CHOICES[name]})
    model = Decoder(config, torch.Generator().manual_seed(0))
    kinds = nn.Linear | nn.Embedding
    held = {f"{n}.weight" for n, m in model.named_modules() if isinstance(m, kinds)}
    for weight_name, weight in model.named_parameters():
        if weight.ndim == 2:
            assert weight_name in held
            writes = weight_name.endswith(("attention.out.weight", ".down.weight"))
            wanted = (weight.shape[1] * (4 if writes else 1)) ** -0.5
            assert weight.std().item() == pytest.approx(wanted, rel=0.25)
        else:
            assert (weight == (0 if weight_name.endswith("bias") else 1)).all()
    again = Decoder(config, torch.Generator().manual_seed(0)).state_dict()
    assert all(torch.equal(again[n], w) for n, w in model.state_dict().items())


@torch.no_grad()
def test_who_knows_where_a_token_stands():
    """Without positions one layer reads `a b c` and `b a c` alike at c; with them, not."""
    x = torch.tensor([[1, 2, 3], [2, 1, 3]])
    one_layer = {**TINY.to_dict(), "n_layers": 1}

    def gap(position: str) -> float:
        last = lively(ModelConfig(**{**one_layer, "position": position}))(x)[:, -1]
        return apart(last[0], last[1]).item()

    assert gap("none") < 1e-5
    assert min(map(gap, ("rope", "learned", "sinusoidal", "alibi"))) > 1e-3


@torch.no_grad()
def test_alibi_looks_less_far_with_distance():
    config = ModelConfig(**{**TINY.to_dict(), "position": "alibi", "n_layers": 1})
    model, x = lively(config), tokens()
    far, near = x.clone(), x.clone()
    far[:, 0], near[:, 8] = (far[:, 0] + 1) % 31, (near[:, 8] + 1) % 31
    moved = [apart(model(x), model(y))[:, -1].mean() for y in (far, near)]
    assert 0 < moved[0] < moved[1]


@torch.no_grad()
def test_a_block_is_wired_as_its_equation():
    x = torch.randn(2, 5, 24, generator=torch.Generator().manual_seed(0))
    for wiring in ("pre", "post", "parallel"):
        model = lively(ModelConfig(**{**TINY.to_dict(), "wiring": wiring}))
        block, at = model.blocks[0], (model.cos[:5], model.sin[:5], None)
        norm, attend, mlp = block.attention_norm, block.attention, block.mlp
        if wiring == "parallel":
            want = x + attend(norm(x), *at) + mlp(norm(x))
        elif wiring == "post":
            middle = norm(x + attend(x, *at))
            want = block.mlp_norm(middle + mlp(middle))
        else:
            middle = x + attend(norm(x), *at)
            want = middle + mlp(block.mlp_norm(middle))
        torch.testing.assert_close(block(x, *at), want)


@torch.no_grad()
def test_normalised_heads_have_one_length():
    model = Decoder(ModelConfig(**{**TINY.to_dict(), "qk_norm": True}))
    part, kept = model.blocks[0].attention, {}
    part.q_norm.register_forward_hook(lambda _, x, y: kept.update(q=y))
    part.k_norm.register_forward_hook(lambda _, x, y: kept.update(k=y))
    model(tokens())
    assert kept["q"].shape[1] == 4 and kept["k"].shape[1] == 2
    for heads in kept.values():
        assert heads.square().mean(-1).sqrt() == pytest.approx(1, abs=1e-3)


@torch.no_grad()
def test_a_latent_cache_is_small():
    model, cache = with_choice("latent"), GrowingCache(capacity=10)
    model(tokens(), cache=cache)
    latent, k_rope = cache.update(0, torch.empty(2, 1, 0, 10), torch.empty(2, 1, 0, 4))
    assert latent.shape == (2, 1, 10, 10)
    assert k_rope.shape == (2, 1, 10, 4)


def test_trace_refuses_what_it_does_not_write_out():
    with pytest.raises(ValueError, match="trace: mlp is 'gelu', expected 'swiglu'"):
        trace(with_choice("gelu"), tokens())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"norm": "batch"}, "norm is 'batch', expected one of 'rms', 'layer'"),
        ({"position": "abs"}, "position is 'abs', expected one of 'rope', 'learned'"),
        ({"head_size": 5}, "head_size is 5, expected an even number"),
        ({"head_size": 0}, "head_size is 0, expected None or >= 1"),
        ({"d_model": 22, "position": "none"}, "d_model is 22, expected a multiple of 4"),
        ({"n_experts": 4}, "n_experts is 4 and top_k 0 with mlp 'swiglu'"),
        ({"mlp": "moe", "n_experts": 2, "top_k": 3}, "top_k is 3, expected 1 to n_experts"),
        ({"mlp": "moe", "n_experts": 2, "top_k": 1, "bias": True}, "bias is True with mlp 'moe'"),
        ({"latent": LATENT}, "n_kv_heads is 2, expected 4 with latent attention"),
        ({"latent": LATENT, "n_kv_heads": 4, "qk_norm": True}, "qk_norm is True, expected False"),
        (
            {"latent": Latent(kv_rank=0, d_nope=2, d_rope=2, d_value=2), "n_kv_heads": 4},
            "latent.kv_rank is 0",
        ),
    ],
)
def test_a_config_refuses_nonsense_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig(**{**TINY.to_dict(), **change})
