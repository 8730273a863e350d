"""Fine-tuning: batches are a function of the step, chat is learned, replay keeps the corpus."""

import copy

import pytest
import torch

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.sampling.generate import generate
from course_lib.data.mixing.packing import pack
from course_lib.pretraining.loop.validation import validation_loss
from course_lib.pretraining.loss import IGNORE
from course_lib.sft.masking import Example
from course_lib.sft.train import FineTuneConfig, fine_tune, fresh_embeddings, sft_batches

SIZES = dict(vocab_size=40, d_model=32, n_layers=2, n_heads=2, n_kv_heads=1, d_ff=48)
CHAT = [Example((0, 1, t, 3, 2), (t + 10, 3)) for t in range(5, 11)]
CORPUS = pack([[t, t + 1, t + 2, t] for t in range(5, 35)] * 4, 16, 0)


@pytest.fixture
def model() -> Decoder:
    return Decoder(ModelConfig(**SIZES), torch.Generator().manual_seed(0))


def test_learns_to_reply(model):
    config = FineTuneConfig(steps=80, batch_size=3, replay_batch_size=0, seq_len=16, lr=1e-2)
    logs = fine_tune(model, CHAT, config, eos_id=0)
    assert logs[-1].loss < 0.1 < logs[0].loss
    replies = generate(model, [list(e.prompt) for e in CHAT], max_new_tokens=4, stop_ids=(3,))
    assert sum(tuple(r) == e.reply for r, e in zip(replies, CHAT, strict=True)) == 6


def test_replay_keeps_what_the_model_knew(model):
    config = FineTuneConfig(steps=120, batch_size=2, replay_batch_size=4, seq_len=16, lr=5e-3)
    fine_tune(model, CHAT, config, eos_id=0, replay=CORPUS)
    forgetful = copy.deepcopy(model)
    knew = validation_loss(model, CORPUS, 0).per_token
    fine_tune(model, CHAT, config, eos_id=0, replay=CORPUS)
    fine_tune(
        forgetful,
        CHAT,
        FineTuneConfig(steps=120, batch_size=2, replay_batch_size=0, seq_len=16, lr=5e-3),
        eos_id=0,
    )
    assert validation_loss(model, CORPUS, 0).per_token < knew + 0.1
    assert validation_loss(forgetful, CORPUS, 0).per_token > knew + 0.5


def test_batches_are_a_function_of_the_step():
    config = FineTuneConfig(steps=9, batch_size=1, replay_batch_size=3, seq_len=16)
    at = sft_batches(CHAT, config, eos_id=0, replay=CORPUS)
    again = sft_batches(CHAT, config, eos_id=0, replay=CORPUS)
    for step in (7, 0, 3):
        assert torch.equal(at(step)[0], again(step)[0])
        assert torch.equal(at(step)[1], again(step)[1])
    inputs, targets = at(0)
    assert inputs.shape == targets.shape == (4, 16)
    assert (targets[0] == IGNORE).sum() > (targets[1] == IGNORE).sum()
    assert not torch.equal(at(0)[0], at(1)[0])


def test_fresh_embeddings_touch_only_the_given_rows(model):
    before = model.embed.weight.detach().clone()
    fresh_embeddings(model, [1, 2, 3], torch.Generator().manual_seed(0))
    after = model.embed.weight.detach()
    assert torch.equal(after[4:], before[4:])
    assert torch.equal(after[0], before[0])
    unit = torch.nn.functional.normalize(after[1:4], dim=-1)
    assert (unit @ unit.T - torch.eye(3)).abs().max() < 0.6  # they point three ways


def test_errors_name_the_value():
    with pytest.raises(ValueError, match="replay_batch_size = -1"):
        FineTuneConfig(steps=1, replay_batch_size=-1)
