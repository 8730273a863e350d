"""The decoder as a whole: what may influence what, caches, files, and the start of training."""

import math

import pytest
import torch
from torch import nn

from course_lib.architecture.attention.dot_product import GrowingCache
from course_lib.architecture.decoder import Decoder, ModelConfig, load_model, save_model

TINY = ModelConfig(
    vocab_size=31, d_model=24, n_layers=2, n_heads=4, n_kv_heads=2, d_ff=40, max_seq=32
)


def lively(config: ModelConfig = TINY, seed: int = 0) -> Decoder:
    """A random decoder whose weights are large enough that every part matters."""
    generator = torch.Generator().manual_seed(seed)
    model = Decoder(config, generator).eval()
    with torch.no_grad():
        for weight in model.parameters():
            noise = torch.randn(weight.shape, generator=generator)
            weight.copy_(0.4 * noise if weight.ndim == 2 else 1 + 0.3 * noise)
    return model


def tokens(batch: int = 2, seq: int = 10) -> torch.Tensor:
    return torch.randint(0, 31, (batch, seq), generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_a_token_never_changes_what_came_before_it():
    model, x = lively(), tokens()
    changed = x.clone()
    changed[:, 6] = (changed[:, 6] + 1) % 31
    apart = (model(x) - model(changed)).abs().amax(-1)
    assert apart[:, :6].max() == 0
    assert apart[:, 6:].min() > 1e-4


@torch.no_grad()
def test_a_window_limits_how_far_a_token_reaches():
    config = ModelConfig(**{**TINY.to_dict(), "sliding_window": 3})
    model, x = lively(config), tokens()
    changed = x.clone()
    changed[:, 0] = (changed[:, 0] + 1) % 31
    apart = (model(x) - model(changed)).abs().amax(-1)
    reach = config.n_layers * (3 - 1)  # each layer looks 2 tokens back
    assert apart[:, : reach + 1].min() > 1e-6
    assert apart[:, reach + 1 :].max() == 0


@torch.no_grad()
def test_packed_documents_do_not_see_each_other():
    model, x = lively(), tokens()
    documents = torch.tensor([[1] * 4 + [2] * 6] * 2)
    packed = model(x, documents=documents)
    torch.testing.assert_close(packed[:, :4], model(x[:, :4]), atol=1e-5, rtol=1e-5)
    alone = model(x[:, 4:], positions=torch.arange(4, 10).expand(2, 6))
    torch.testing.assert_close(packed[:, 4:], alone, atol=1e-5, rtol=1e-5)
    from_zero = model(x[:, 4:])  # RoPE sees distances alone
    torch.testing.assert_close(packed[:, 4:], from_zero, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("window", [None, 4])
@torch.no_grad()
def test_decoding_with_a_cache_equals_one_pass(window):
    model, x = lively(ModelConfig(**{**TINY.to_dict(), "sliding_window": window})), tokens()
    cache = GrowingCache(capacity=3)
    pieces = [model(x[:, a:b], cache=cache) for a, b in ((0, 3), (3, 4), (4, 5), (5, 9), (9, 10))]
    torch.testing.assert_close(torch.cat(pieces, 1), model(x), atol=1e-5, rtol=1e-5)
    assert cache.length == 10


@torch.no_grad()
def test_an_explicit_mask_replaces_the_causal_one():
    model, x = lively(), tokens()
    everything = torch.ones(2, 10, 10, dtype=torch.bool)
    torch.testing.assert_close(model(x, mask=everything.tril()), model(x))
    assert (model(x, mask=everything) - model(x))[:, :9].abs().amax(-1).min() > 1e-4


def test_one_generator_state_gives_one_model():
    def weights(seed):
        return Decoder(TINY, torch.Generator().manual_seed(seed)).state_dict()

    assert all(torch.equal(a, b) for a, b in zip(*(weights(3).values() for _ in "ab"), strict=True))
    assert not torch.equal(weights(3)["embed.weight"], weights(4)["embed.weight"])


def test_initial_spread_and_first_loss():
    config = ModelConfig(vocab_size=500, d_model=128, n_layers=8)
    model = Decoder(config, torch.Generator().manual_seed(0))
    block = model.blocks[3]
    assert block.mlp.gate.weight.std().item() == pytest.approx(128**-0.5, rel=0.02)
    assert block.mlp.down.weight.std().item() == pytest.approx(344**-0.5 / 4, rel=0.02)
    x = torch.randint(0, 500, (4, 64), generator=torch.Generator().manual_seed(0))
    loss = torch.nn.functional.cross_entropy(model(x[:, :-1]).flatten(0, 1), x[:, 1:].flatten())
    assert loss.item() == pytest.approx(math.log(500) + 0.5, abs=0.1)  # logits of variance 1


@pytest.mark.parametrize("tied", [True, False])
def test_a_saved_model_comes_back_bit_for_bit(tmp_path, tied):
    model = lively(ModelConfig(**{**TINY.to_dict(), "tied": tied, "sliding_window": 5}))
    save_model(model, tmp_path / "m")
    back = load_model(tmp_path / "m")
    assert back.config == model.config
    assert not back.training
    with torch.no_grad():
        assert torch.equal(back(tokens()), model(tokens()))
    names = sorted(path.name for path in (tmp_path / "m").iterdir())
    assert names == ["config.json", "model.safetensors"]


def test_every_weight_gets_a_gradient():
    model = lively(ModelConfig(**{**TINY.to_dict(), "tied": False}))
    model(tokens()).logsumexp(-1).sum().backward()
    assert [name for name, w in model.named_parameters() if not w.grad.abs().sum() > 0] == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"d_model": 20}, "d_model is 20, expected a multiple of 8"),
        ({"n_kv_heads": 3}, "n_kv_heads is 3, expected a divisor of n_heads 4"),
        ({"n_layers": 0}, "n_layers is 0, expected at least 1"),
        ({"sliding_window": 0}, "sliding_window is 0"),
    ],
)
def test_a_config_refuses_nonsense_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig(**{**TINY.to_dict(), **change})


def test_modules_hold_what_the_book_says():
    """Every matrix is an nn.Linear or the embedding, so LoRA and quantisation find them."""
    model = Decoder(TINY)
    matrices = {name for name, weight in model.named_parameters() if weight.ndim == 2}
    found = {
        f"{name}.weight"
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Embedding)
    }
    assert matrices == found
