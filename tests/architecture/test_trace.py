"""The flat forward pass equals the model's own, and what it keeps adds up."""

import pytest
import torch

from course_lib.architecture.decoder import ModelConfig
from course_lib.architecture.trace import trace
from tests.architecture.test_decoder import TINY, lively, tokens


@pytest.mark.parametrize("window", [None, 3])
@torch.no_grad()
def test_the_trace_ends_in_the_models_logits(window):
    model = lively(ModelConfig(**{**TINY.to_dict(), "sliding_window": window}))
    kept = trace(model, tokens())
    torch.testing.assert_close(kept["logits"], model(tokens()), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(kept["norm"], model.hidden(tokens()), atol=1e-5, rtol=1e-5)


def test_shapes_and_weights_by_hand():
    kept = trace(lively(), tokens(batch=2, seq=10))
    assert kept["0.q"].shape == kept["1.q turned"].shape == (2, 4, 10, 6)
    assert kept["0.k"].shape == kept["1.v"].shape == (2, 2, 10, 6)
    assert kept["0.gate"].shape == (2, 10, 40)
    torch.testing.assert_close(kept["0.weights"].sum(-1), torch.ones(2, 4, 10))
    assert kept["1.weights"].triu(1).abs().max() == 0
    written = [kept[f"{i}.{part}"] for i in (0, 1) for part in ("attention", "mlp")]
    torch.testing.assert_close(kept["1.out"], kept["embed"] + sum(written), atol=1e-5, rtol=1e-5)
