"""What the studies of positions and blocks measure, checked on small cases."""

import pytest
import torch

from course_lib import lineage
from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.positions import yarn_tables
from course_lib.studies.architecture.blocks import (
    decoder,
    gradient_by_block,
    lessons,
    train_experts,
    undo_residual_scaling,
)
from course_lib.studies.architecture.positions import (
    batches,
    loss_by_position,
    newspapers,
    stretched,
)

SMALL = ModelConfig(
    vocab_size=40, d_model=16, n_layers=2, n_heads=2, n_kv_heads=1, d_ff=24, max_seq=8
)


def rows(n: int, length: int) -> torch.Tensor:
    return torch.randint(0, 40, (n, length + 1), generator=torch.Generator().manual_seed(0))


def test_a_newspaper_is_the_same_every_time_and_another_for_every_village():
    tokenizer = lineage.tokenizer()
    first = newspapers(tokenizer, 5, 3, 60)
    assert first.shape == (3, 61)
    assert torch.equal(first, newspapers(tokenizer, 5, 3, 60))
    assert not torch.equal(first[0], first[1])
    assert (first[:, 0] == tokenizer.eos_id).all()


def test_batches_walk_through_all_rows_before_they_repeat():
    data = torch.arange(12).unsqueeze(1).expand(12, 3)
    batch_at = batches(data, 4, seed=0)
    epoch = torch.cat([batch_at(step)[0][:, 0] for step in range(3)])
    assert sorted(epoch.tolist()) == list(range(12))


def test_loss_by_position_is_the_loss_in_parts():
    model, data = Decoder(SMALL, torch.Generator().manual_seed(0)).eval(), rows(5, 8)
    parts = loss_by_position(model, data, 4)
    with torch.no_grad():
        logits = model(data[:, :-1])
    whole = torch.nn.functional.cross_entropy(logits.flatten(0, 1), data[:, 1:].flatten())
    assert parts.shape == (2,)
    torch.testing.assert_close(parts.mean(), whole)


def test_stretching_changes_the_tables_and_nothing_else():
    model = Decoder(SMALL, torch.Generator().manual_seed(0)).eval()
    same = stretched(model, "as trained", trained=8, tested=32)
    long = stretched(model, "YaRN", trained=8, tested=32)
    data = rows(2, 8)[:, :-1]
    assert torch.equal(same(data), model(data))
    cos, _ = yarn_tables(32, 8, factor=4.0, original_max_seq=8)
    assert torch.equal(long.cos, cos)
    assert all(torch.equal(w, long.state_dict()[n]) for n, w in model.state_dict().items())
    assert (long(data) - model(data)).abs().max() > 0.01
    with pytest.raises(ValueError, match="how is 'more', expected one of as trained, interpolat"):
        stretched(model, "more", trained=8, tested=32)


def test_gradients_by_block_are_those_of_the_loss_and_leave_nothing_behind():
    model, data = decoder("the course's block", 0), lessons("validation", 20)
    found = gradient_by_block(model, data)
    assert len(found["gradient"]) == len(found["stream"]) == model.config.n_layers
    assert min(found["gradient"]) > 0.01
    assert all(weight.grad is None for weight in model.parameters())


def test_residual_scaling_is_undone_where_blocks_write():
    plain = Decoder(SMALL, torch.Generator().manual_seed(0))
    undone = undo_residual_scaling(Decoder(SMALL, torch.Generator().manual_seed(0)))
    ratio = undone.blocks[1].mlp.down.weight / plain.blocks[1].mlp.down.weight
    torch.testing.assert_close(ratio, torch.full_like(ratio, 2.0))  # the root of 2 x 2 layers
    assert torch.equal(undone.blocks[0].mlp.up.weight, plain.blocks[0].mlp.up.weight)


def test_the_balance_loss_is_part_of_what_trains():
    data = lessons("train", 60)
    heavy, none = (train_experts(data, balance=b, z=0.0, steps=12) for b in (1.0, 0.0))
    assert heavy.loads.shape[1:] == (2, 8)
    torch.testing.assert_close(heavy.loads.sum(-1), torch.ones_like(heavy.loads[..., 0]))
    assert heavy.loads[-1].max() < none.loads[-1].max()
