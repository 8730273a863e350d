"""The fast path equals the plain one: loss, gradients and whole runs."""

import dataclasses

import pytest
import torch

from course_lib.architecture.attention.dot_product import plain_attention
from course_lib.architecture.attention.masks import causal_mask
from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.pretraining.loop.train import TrainConfig, train
from course_lib.pretraining.loss import cross_entropy, document_ids
from course_lib.pretraining.speed.fast import (
    FastConfig,
    HeadLoss,
    blocked_attention,
    fast_config,
    fast_loss,
    fast_loss_of,
    fast_train,
    gradients,
    keep_pages,
    native_format,
)

SMALL = ModelConfig(
    vocab_size=40, d_model=32, n_layers=2, n_heads=4, n_kv_heads=2, d_ff=48, max_seq=24
)
EAGER = FastConfig(compile=False, micro_tokens=48, query_blocks=3, head_rows=20)
SHAPES = {
    "the course's own": SMALL,
    "nanochat's choices": dataclasses.replace(
        SMALL, mlp="relu2", qk_norm=True, tied=False, n_kv_heads=4
    ),
    "GELU, one key head": dataclasses.replace(SMALL, mlp="gelu", n_kv_heads=1),
}
ARRANGEMENTS = {
    "blocks, chunks": EAGER,
    "whole": dataclasses.replace(EAGER, query_blocks=1, head_rows=0, micro_tokens=10_000),
    "torch's kernel": dataclasses.replace(EAGER, query_blocks=0, head_rows=7),
}


def batch_at(step: int, rows: int = 6, seq: int = 24) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(step)
    tokens = torch.randint(0, 40, (rows, seq + 1), generator=generator)
    inputs, targets = tokens[:, :-1].clone(), tokens[:, 1:].clone()
    inputs[:, ::9] = 0
    targets[0, -15:] = -100  # one row has fewer targets: a mean of means would differ
    targets[3] = -100
    return inputs, targets


def fresh(config: ModelConfig) -> Decoder:
    return Decoder(config, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("packed", [False, True], ids=["causal", "documents"])
@pytest.mark.parametrize("arrangement", ARRANGEMENTS.values(), ids=ARRANGEMENTS)
@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES)
def test_loss_and_gradients_equal_the_plain_path(config, arrangement, packed):
    inputs, targets = batch_at(0)
    documents = document_ids(inputs, 0) if packed else None
    plain, fast = fresh(config), fresh(config)
    wanted = cross_entropy(plain(inputs, documents=documents), targets)
    wanted.backward()
    got = gradients(fast_loss_of(fast, arrangement), arrangement, inputs, targets, documents)
    torch.testing.assert_close(got, wanted.detach(), rtol=1e-6, atol=1e-6)
    for (name, p), q in zip(plain.named_parameters(), fast.parameters(), strict=True):
        assert p.grad.abs().max() > 1e-4, name
        torch.testing.assert_close(q.grad, p.grad, rtol=1e-4, atol=2e-7, msg=name)


@pytest.mark.parametrize("eos_id", [None, 0])
def test_a_run_equals_the_plain_run(eos_id):
    run = TrainConfig(steps=8, batch_size=6, lr=1e-2, log_every=1, clip=0.5)
    plain, fast = fresh(SMALL), fresh(SMALL)
    wanted = train(plain, batch_at, run, eos_id=eos_id)
    got = fast_train(fast, batch_at, run, eos_id=eos_id, fast=EAGER)
    assert wanted[0].loss - wanted[-1].loss > 0.05  # it does learn
    assert [log.tokens for log in got] == [log.tokens for log in wanted]
    for ours, theirs in zip(got, wanted, strict=True):
        assert ours.loss == pytest.approx(theirs.loss, abs=2e-5)
        assert ours.grad_norm == pytest.approx(theirs.grad_norm, rel=1e-3)
        assert ours.lr == theirs.lr


def test_blocked_attention_by_blocks_of_every_number():
    torch.manual_seed(0)
    q, k, v = torch.randn(2, 4, 10, 8), torch.randn(2, 2, 10, 8), torch.randn(2, 2, 10, 8)
    wanted = plain_attention(q, k, v, causal_mask(10))
    visible = causal_mask(10)[None]
    for n_blocks in (1, 2, 3, 7, 10):  # 10 places in 3 or 7 blocks leave a shorter last one
        got = blocked_attention(q, k, v, visible, n_blocks)
        torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-6)


def test_head_loss_by_hand():
    """Two tokens, logits (0, ln 3): p = (1/4, 3/4); the second target is ignored."""
    hidden = torch.tensor([[1.0], [1.0]], requires_grad=True)
    head = torch.tensor([[0.0], [3.0**0.5]]).requires_grad_(True)
    head.data[1] = torch.tensor(3.0).log()
    loss = HeadLoss.apply(hidden, head, torch.tensor([0, -100]), 1)
    assert loss.item() == pytest.approx(torch.tensor(4.0).log().item(), rel=1e-6)
    loss.backward()
    torch.testing.assert_close(head.grad, torch.tensor([[-0.75], [0.75]]))
    torch.testing.assert_close(hidden.grad, torch.tensor([[0.75 * torch.tensor(3.0).log()], [0.0]]))


def test_head_loss_passes_gradcheck_against_cross_entropy():
    torch.manual_seed(0)
    hidden, head = torch.randn(7, 5, requires_grad=True), torch.randn(9, 5, requires_grad=True)
    targets = torch.tensor([1, -100, 3, 8, 0, 2, 5])
    wanted = torch.nn.functional.cross_entropy(hidden @ head.t(), targets, reduction="sum")
    grads = torch.autograd.grad(wanted, (hidden, head))
    for rows in (1, 3, 7, 100):
        got = HeadLoss.apply(hidden, head, targets, rows)
        torch.testing.assert_close(got, wanted)
        for ours, theirs in zip(torch.autograd.grad(got, (hidden, head)), grads, strict=True):
            torch.testing.assert_close(ours, theirs)


def test_bfloat16_is_near_float32():
    inputs, targets = batch_at(0)
    model = fresh(SMALL)
    losses = [
        gradients(fast_loss_of(model, c), c, inputs, targets).item()
        for c in (EAGER, dataclasses.replace(EAGER, dtype=torch.bfloat16))
    ]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=5e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"position": "learned"}, "position='learned': the fast path has 'rope'"),
        ({"norm": "layer"}, "norm='layer'"),
        ({"mlp": "moe", "n_experts": 4, "top_k": 2}, "mlp='moe'"),
        ({"sliding_window": 4}, "sliding_window=4"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        fast_loss_of(fresh(dataclasses.replace(SMALL, **change)), EAGER)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"micro_tokens": 0}, "micro_tokens=0: expected at least 1"),
        ({"query_blocks": -1}, "query_blocks=-1"),
        ({"dtype": torch.float16}, "dtype=torch.float16"),
    ],
)
def test_nonsense_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        FastConfig(**change)


def test_choices_for_devices():
    assert fast_config(torch.device("cuda"), 50_000).query_blocks == 0
    assert fast_config(torch.device("cpu"), 512).dtype == native_format()
    assert keep_pages() in (True, False)
    loss = fast_loss(fresh(SMALL), EAGER, *batch_at(0))
    assert loss.item() > 100  # a sum, not a mean
