"""The accounting of random configs, whatever they combine, against what torch counts.

Sizes of latent attention are at least 2: torch makes a product over a single number element by
element, which its counter doesn't see.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from course_lib.architecture.accounting.activations import activation_bytes, saved_bytes
from course_lib.architecture.accounting.formulas import (
    count_parameters,
    forward_flops,
    kv_cache_bytes,
    training_flops,
)
from course_lib.architecture.attention.dot_product import GrowingCache
from course_lib.architecture.config import CHOICES, Latent, ModelConfig
from course_lib.architecture.decoder import Decoder

few = st.integers(1, 3)
LATENTS = st.builds(
    Latent,
    kv_rank=st.integers(2, 9),
    d_nope=st.integers(2, 9),
    d_rope=st.sampled_from([2, 4]),
    d_value=st.integers(2, 9),
    q_rank=st.none() | st.integers(2, 9),
)


@st.composite
def configs(draw) -> ModelConfig:
    """Any config that `ModelConfig` takes, tiny."""
    n_kv_heads, group = draw(few), draw(few)
    n_heads = n_kv_heads * group
    mlp, latent = draw(st.sampled_from(CHOICES["mlp"])), draw(st.none() | LATENTS)
    more = {"latent": latent, "n_kv_heads": n_heads}
    if latent is None:
        more = {
            "n_kv_heads": n_kv_heads,
            "head_size": draw(st.sampled_from([None, 2, 6])),
            "position": draw(st.sampled_from(CHOICES["position"])),
            "qk_norm": draw(st.booleans()),
            "bias": mlp != "moe" and draw(st.booleans()),
        }
    if mlp == "moe":
        more["n_experts"] = draw(st.integers(1, 5))
        more["top_k"] = draw(st.integers(1, more["n_experts"]))
    return ModelConfig(
        vocab_size=draw(st.integers(1, 40)),
        d_model=2 * n_heads * draw(few),
        n_layers=draw(few),
        n_heads=n_heads,
        d_ff=draw(st.integers(1, 12)),
        max_seq=draw(st.integers(9, 12)),
        sliding_window=draw(st.none() | few),
        tied=draw(st.booleans()),
        norm=draw(st.sampled_from(CHOICES["norm"])),
        wiring=draw(st.sampled_from(CHOICES["wiring"])),
        mlp=mlp,
        **more,
    )


def inputs(config: ModelConfig, seq: int, batch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, config.vocab_size, (batch, seq), generator=generator)


@given(config=configs())
@settings(max_examples=100)
def test_parameters_are_those_of_the_model(config):
    with torch.device("meta"):
        model = Decoder(config)
    counted, head = count_parameters(config), 0 if config.tied else model.head.weight.numel()
    assert counted.total == sum(weight.numel() for weight in model.parameters())
    positions = model.positions.weight.numel() if config.position == "learned" else 0
    assert (counted.embedding, counted.head) == (model.embed.weight.numel() + positions, head)
    assert counted.mlp == sum(w.numel() for block in model.blocks for w in block.mlp.parameters())
    assert counted.non_embedding == counted.total - counted.embedding - counted.head
    assert (counted.active < counted.total) == (config.top_k < config.n_experts)


@given(config=configs(), seq=st.integers(1, 9), batch=few)
@settings(max_examples=60)
def test_flops_are_those_that_torch_counts(config, seq, batch):
    """Forward, and forward with backward; our experts run on what was sent to them alone."""
    model = Decoder(config, torch.Generator().manual_seed(0))
    with FlopCounterMode(display=False) as forward, sdpa_kernel(SDPBackend.MATH):
        logits = model(inputs(config, seq, batch))
    with FlopCounterMode(display=False) as backward, sdpa_kernel(SDPBackend.MATH):
        logits.sum().backward()
    one = forward.get_total_flops()
    assert forward_flops(config, seq, batch) == one
    both = one + backward.get_total_flops()
    assert training_flops(config, batch * seq, seq) == both
    assert forward_flops(config, seq, batch, causal=True) <= one


@given(config=configs(), seq=st.integers(2, 9), batch=few)
@settings(max_examples=60)
def test_activations_are_what_autograd_keeps(config, seq, batch):
    if config.qk_norm and config.norm == "layer":
        with pytest.raises(ValueError, match="norm is 'layer' with qk_norm"):
            activation_bytes(config, seq, batch)
        return
    model, x = Decoder(config, torch.Generator().manual_seed(0)), inputs(config, seq, batch)
    with sdpa_kernel(SDPBackend.MATH):
        kept = saved_bytes(model, lambda: model(x))
    said = activation_bytes(config, seq, batch)
    assert said.total == said.layers + said.end == kept
    assert said.layers == config.n_layers * said.layer


@given(config=configs(), seq=st.integers(1, 9), batch=few)
def test_cache_bytes_are_those_that_a_cache_holds(config, seq, batch):
    """A window caps what is worth keeping; `GrowingCache` keeps all."""
    model, cache = Decoder(config), GrowingCache(capacity=1)
    with torch.no_grad():
        model(inputs(config, seq, batch), cache=cache)
    held = sum(kept.nbytes for store in (cache._keys, cache._values) for kept in store.values())
    worth = min(seq, config.sliding_window or seq)
    assert kv_cache_bytes(config, seq, batch, 4) == held * worth // seq
