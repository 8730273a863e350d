"""Every rung holds for a healthy model, and names each fault that is planted."""

import math

import pytest
import torch
from torch import nn

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.pretraining.loop import sanity
from course_lib.pretraining.loss import IGNORE, cross_entropy

VOCAB, SEQ, EOS = 12, 10, 0


def model(**changes) -> Decoder:
    sizes = {"d_model": 24, "n_layers": 1, "n_heads": 2, "d_ff": 32, "max_seq": SEQ}
    config = ModelConfig(**{"vocab_size": VOCAB} | sizes | changes)
    return Decoder(config, generator=torch.Generator().manual_seed(1)).train()


def rows(n: int = 6, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Two documents a row: tokens that mostly count upwards, so that there is much to learn."""
    generator = torch.Generator().manual_seed(seed)
    steps = torch.randint(1, 3, (n, SEQ + 1), generator=generator).cumsum(1)
    ids = 1 + steps % (VOCAB - 1)
    ids[:, 0] = ids[:, 4] = EOS
    return ids[:, :-1].clone(), ids[:, 1:].clone()


def test_first_loss():
    generator = torch.Generator().manual_seed(0)
    batch = tuple(torch.randint(400, (20, SEQ), generator=generator) for _ in range(2))
    wanted = math.log(400) + 0.5
    fresh = model(vocab_size=400, d_model=64)
    assert sanity.first_loss(fresh, batch, wanted).passed
    assert "fresh" in sanity.first_loss(fresh, batch, wanted + 1).fault
    with torch.no_grad():
        fresh.embed.weight.mul_(4)
    found = sanity.first_loss(fresh, batch, wanted)
    assert not found.passed and "too large" in found.fault and "FAILS" in str(found)
    with torch.no_grad():
        fresh.embed.weight.fill_(math.nan)
    assert "finite" in sanity.first_loss(fresh, batch, wanted).fault


@pytest.mark.parametrize(
    ("plant", "fault"),
    [
        (lambda x, y: (x, y), ""),
        (lambda x, y: (x, x.clone()), "not shifted"),
        (lambda x, y: (x[:, :-1], y[:, 1:]), "shifted twice"),
        (lambda x, y: (x, y.flip(0)), "aren't the next input"),
    ],
)
def test_shifted_labels(plant, fault):
    found = sanity.shifted_labels(*plant(*rows()))
    assert found.passed == (not fault) and fault in found.fault


def test_shifted_labels_leaves_ignored_places_out():
    inputs, targets = rows()
    targets[:, -3:] = IGNORE
    assert sanity.shifted_labels(inputs, targets).passed
    with pytest.raises(ValueError, match="all are -100"):
        sanity.shifted_labels(inputs, torch.full_like(targets, IGNORE))


def blind_to_order(self, tokens, documents, mask, past):
    return None  # everyone sees everyone


healthy = Decoder.forward


def mixes_rows(self, tokens, **more):
    h = healthy(self, tokens, documents=more.get("documents"), logits=False)
    return self.unembed(h + h.mean(0, keepdim=True))


def forgets_documents(self, tokens, **more):
    return healthy(self, tokens)


def sees_itself(self, tokens, **more):
    own = torch.eye(tokens.shape[1], dtype=torch.bool).expand(len(tokens), -1, -1)
    return healthy(self, tokens, mask=own)


@pytest.mark.parametrize(
    ("method", "plant", "fault"),
    [
        (None, None, ""),
        ("_mask", blind_to_order, "later tokens"),
        ("forward", mixes_rows, "another row"),
        ("forward", forgets_documents, "document mask is missing"),
        ("forward", sees_itself, "itself alone"),
    ],
)
def test_causality(monkeypatch, method, plant, fault):
    if method:
        monkeypatch.setattr(Decoder, method, plant)
    net = model()
    found = sanity.causality(net, net.embed, rows()[0], eos_id=EOS, places=(2, 6))
    assert found.passed == (not fault) and fault in found.fault
    assert found.measured == 0 if found.passed or "itself" in fault else found.measured > 0


def test_causality_needs_two_rows_and_a_past():
    net = model()
    for inputs, places in ((rows(1)[0], (2,)), (rows()[0], (0,)), (rows()[0], (SEQ,))):
        with pytest.raises(ValueError, match="two rows or more"):
            sanity.causality(net, net.embed, inputs, places=places)


def test_a_cut_graph_is_named():
    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.head = nn.Embedding(VOCAB, 4), nn.Linear(4, VOCAB)

        def forward(self, tokens, documents=None):
            return self.head(self.embed(tokens).detach())

    net = Cut()
    assert "graph is cut" in sanity.causality(net, net.embed, rows()[0]).fault
    found = sanity.every_weight_moves(net, rows())
    assert "embed.weight (no gradient)" in found.fault and found.measured == pytest.approx(2 / 3)


def test_every_weight_moves():
    net = model()
    assert sanity.every_weight_moves(net, rows()).passed
    net.blocks[0].mlp.gate.weight.requires_grad_(False)
    assert "mlp.gate.weight (no gradient)" in sanity.every_weight_moves(net, rows()).fault
    dead = model()
    with torch.no_grad():
        dead.blocks[0].mlp.up.weight.zero_()
    assert "mlp.gate.weight (all zero)" in sanity.every_weight_moves(dead, rows()).fault


def test_the_floor_of_a_batch_by_hand():
    inputs = torch.tensor([[0, 5, 6], [0, 5, 7]])
    targets = torch.tensor([[5, 6, 8], [5, 7, 8]])
    # After (0) both say 5; after (0, 5) one says 6, one 7: ln 2 at two of the six places.
    assert sanity.batch_floor((inputs, targets)) == pytest.approx(math.log(2) / 3)
    # With a document beginning at each 5, the four places after "5" and "5 x" are as before.
    assert sanity.batch_floor((inputs, targets), eos_id=5) == pytest.approx(math.log(2) / 3)


def test_overfitting_one_batch():
    batch = rows(4)
    assert 0 < sanity.batch_floor(batch, eos_id=EOS) < 1
    found = sanity.overfits_one_batch(model(), batch, eos_id=EOS, steps=200, lr=1e-2)
    assert found.passed, str(found)
    assert (
        "hardly moves"
        in sanity.overfits_one_batch(model(), batch, eos_id=EOS, steps=5, lr=1e-9).fault
    )
    assert (
        "not by heart"
        in sanity.overfits_one_batch(model(), batch, eos_id=EOS, steps=8, lr=1e-2).fault
    )


def test_a_leak_overfits_below_the_floor(monkeypatch):
    monkeypatch.setattr(Decoder, "_mask", blind_to_order)
    found = sanity.overfits_one_batch(model(), rows(4), eos_id=EOS, steps=200, lr=1e-2)
    assert "below what any causal model" in found.fault


def counts_padding(logits, targets):
    """The planted fault: padding is a token like any other."""
    return cross_entropy(logits, targets.clamp(min=0))


def padded(step: int):
    inputs, targets = rows(6, seed=step)
    targets[:, 3:] = IGNORE
    return inputs, targets


def test_shuffled_input():
    found = sanity.shuffled_input(model(), lambda s: rows(6, seed=s), steps=60, lr=1e-2)
    assert found.passed, str(found)
    still = sanity.shuffled_input(model(), lambda s: rows(6, seed=s), steps=20, lr=1e-9)
    assert "frequent" in still.fault
    leak = sanity.shuffled_input(model(), padded, steps=60, lr=1e-2, loss_fn=counts_padding)
    assert "padding counts" in leak.fault


def test_the_ladder_stops_at_the_first_rung_that_fails():
    def climb(batch_at):
        return sanity.ladder(
            model,
            batch_at,
            first_nats=math.log(VOCAB) + 0.9,
            eos_id=EOS,
            places=(2, 6),
        )

    found = climb(lambda s: rows(8, seed=s))
    assert len(found) == 6 and all(rung.passed for rung in found), [str(r) for r in found]
    found = climb(lambda s: (rows(8, seed=s)[0],) * 2)
    assert [rung.passed for rung in found] == [False]
