"""DPO and IPO: values by hand, and training that moves the pair the right way."""

import math

import pytest
import torch

from course_lib.alignment.preferences import (
    Pair,
    PreferenceConfig,
    dpo_loss,
    ipo_loss,
    pair_rows,
    reply_logprobs,
    train_preferences,
)
from course_lib.architecture.decoder import Decoder, ModelConfig

SIZES = dict(vocab_size=40, d_model=32, n_layers=2, n_heads=2, n_kv_heads=1, d_ff=48)
PAIRS = [Pair((0, 1, t, 2), (t, 3), (t + 10, 3)) for t in range(5, 13)]


@pytest.fixture
def model() -> Decoder:
    return Decoder(ModelConfig(**SIZES), torch.Generator().manual_seed(0))


def test_dpo_by_hand():
    h = torch.tensor([0.0, 10.0])
    losses = dpo_loss(h, torch.zeros(2), beta=0.1)
    expected = [math.log(2), math.log(1 + math.exp(-1))]
    assert losses.tolist() == pytest.approx(expected, abs=1e-6)


def test_ipo_by_hand():
    h = torch.tensor([0.0, 5.0, 10.0])
    assert ipo_loss(h, torch.zeros(3), beta=0.1).tolist() == pytest.approx([25.0, 0.0, 25.0])


def test_reply_logprobs_ignore_the_prompt(model):
    inputs, targets = pair_rows(PAIRS[:1], 0)
    found = reply_logprobs(model, inputs, targets)
    for row, reply in enumerate((PAIRS[0].chosen, PAIRS[0].rejected)):
        tokens = torch.tensor([[*PAIRS[0].prompt, *reply]])
        steps = model(tokens).log_softmax(-1)[0, 3:5]
        expected = steps[0, reply[0]] + steps[1, reply[1]]
        assert torch.allclose(found[row], expected, atol=1e-5)


@pytest.mark.parametrize("loss", ["dpo", "ipo"])
def test_training_prefers_the_chosen_reply(model, loss):
    config = PreferenceConfig(loss=loss, epochs=10, batch_size=4, lr=1e-3)
    logs = train_preferences(model, PAIRS, config, pad_id=0)
    assert len(logs) == 20
    assert logs[0].margin == pytest.approx(0.0, abs=1e-6)  # the policy starts as the reference
    assert logs[-1].margin > 0.05
    assert logs[-1].accuracy == 1.0


def test_training_is_deterministic(model):
    import copy

    config = PreferenceConfig(epochs=2, batch_size=4, lr=1e-3)
    twin = copy.deepcopy(model)
    train_preferences(model, PAIRS, config, pad_id=0)
    train_preferences(twin, PAIRS, config, pad_id=0)
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True)
    )


def test_errors_name_the_value():
    with pytest.raises(ValueError, match="same reply"):
        Pair((1,), (2,), (2,))
    with pytest.raises(ValueError, match="'ppo'"):
        PreferenceConfig(loss="ppo")
    with pytest.raises(ValueError, match="beta 0.0"):
        PreferenceConfig(beta=0.0)


@pytest.mark.parametrize("number", [1, 5, 8, 31])
def test_an_epoch_shows_every_pair_once(model, monkeypatch, number):
    from course_lib.alignment import preferences

    pairs = [Pair((0, i, 2), (5, 3), (6, 3)) for i in range(number)]
    seen: list[Pair] = []

    def kept(some, pad_id):
        seen.extend(some)
        return pair_rows(some, pad_id)

    monkeypatch.setattr(preferences, "pair_rows", kept)
    config = PreferenceConfig(batch_size=16, epochs=2)
    logs = train_preferences(model, pairs, config, pad_id=0)
    assert len(logs) == 2 * math.ceil(number / 16)
    assert sorted(pair.prompt for pair in seen[:number]) == sorted(p.prompt for p in pairs)
    assert sorted(pair.prompt for pair in seen[number:]) == sorted(p.prompt for p in pairs)


def test_no_pairs_are_refused(model):
    with pytest.raises(ValueError, match="pairs is empty"):
        train_preferences(model, [], PreferenceConfig(), pad_id=0)
    with pytest.raises(ValueError, match="examples is empty"):
        pair_rows([], 0)


@pytest.mark.parametrize("name", ["beta", "lr", "clip"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_config_refuses_what_is_no_number_above_0(name, value):
    with pytest.raises(ValueError, match=name):
        PreferenceConfig(**{name: value})
