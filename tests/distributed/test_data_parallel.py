"""Ranks together take the step that one process takes on the whole batch. Ranks are threads."""

import copy

import pytest
import torch

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.distributed.data_parallel import (
    DataParallel,
    flatten,
    make_buckets,
    rows_of_rank,
    shard_loss,
    unflatten,
)
from course_lib.distributed.local import run_ranks
from course_lib.distributed.sharding import ShardedOptimizer
from course_lib.pretraining.optimizers.adamw import AdamW, param_groups

CONFIG = ModelConfig(
    vocab_size=11, d_model=8, n_layers=2, n_heads=2, n_kv_heads=1, d_ff=12, max_seq=6
)


def model(seed: int = 0) -> Decoder:
    return Decoder(CONFIG, generator=torch.Generator().manual_seed(seed)).double()


def data() -> tuple[torch.Tensor, torch.Tensor]:
    """Four rows; the last two are mostly padding, so shards hold different numbers of tokens."""
    generator = torch.Generator().manual_seed(3)
    inputs = torch.randint(0, 11, (4, 6), generator=generator)
    targets = inputs.roll(-1, 1).clone()
    targets[2:, 2:] = -100
    return inputs, targets


def whole_gradient() -> dict[str, torch.Tensor]:
    single, (inputs, targets) = model(), data()
    tokens = int((targets != -100).sum())
    shard_loss(single(inputs), targets, tokens, 1).backward()
    return {name: p.grad for name, p in single.named_parameters()}


def gradients_of_ranks(size: int, *, by_tokens: bool = True, average: bool = True) -> list[dict]:
    inputs, targets = data()

    def one_rank(own: Decoder, transport):
        parallel = DataParallel(own, transport, bucket_bytes=600, average=average)
        rows = rows_of_rank(4, transport.rank, size)
        mine = int((targets[rows] != -100).sum())
        tokens = int((targets != -100).sum()) if by_tokens else mine * size
        parallel.backward(shard_loss(own(inputs[rows]), targets[rows], tokens, size))
        return {name: p.grad for name, p in own.named_parameters()}

    return run_ranks(one_rank, [model(seed) for seed in range(size)])[0]


def largest(got: dict, want: dict) -> float:
    return max((got[name] - want[name]).abs().max().item() for name in want)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_gradient_is_that_of_the_whole_batch(size):
    want = whole_gradient()
    assert max(g.abs().max() for g in want.values()) > 1e-2
    for got in gradients_of_ranks(size):
        # Logits are float32 in every model of the course, so sums agree to 1e-7, not to 1e-15.
        assert largest(got, want) < 1e-7


def test_the_two_mistakes_give_another_gradient():
    want = whole_gradient()
    summed = gradients_of_ranks(2, average=False)[0]
    assert largest(summed, {name: 2 * g for name, g in want.items()}) < 1e-7
    assert largest(gradients_of_ranks(2, by_tokens=False)[0], want) > 1e-3


def test_ranks_start_from_rank_zeros_weights():
    def weights(own, transport):
        DataParallel(own, transport)
        return flatten(list(own.parameters()))

    flat, _ = run_ranks(weights, [model(seed) for seed in range(3)])
    assert torch.equal(flat[0], flat[1]) and torch.equal(flat[0], flat[2])
    assert torch.equal(flat[0], flatten(list(model(0).parameters())))


class Mixed(torch.nn.Module):
    """What LoRA and BatchNorm leave behind: frozen weights, an unused one, buffers of two kinds."""

    def __init__(self, seed: int, *, frozen: bool = False):
        super().__init__()
        torch.manual_seed(seed)
        self.base = torch.nn.Linear(3, 3).requires_grad_(False)
        self.adapter = torch.nn.Linear(3, 3).requires_grad_(not frozen)
        self.norm = torch.nn.BatchNorm1d(3, affine=False)
        self.norm.num_batches_tracked.fill_(2**40 + 1 + seed)  # float32 would round it
        self.norm.running_mean.fill_(seed)

    def forward(self, x):
        return self.norm(self.base(x) + self.adapter(x)).square().mean()


def test_frozen_weights_and_buffers_are_equal_at_the_start_and_only_the_adapter_moves():
    def one_rank(own, transport):
        parallel = DataParallel(own, transport)
        before = {name: t.clone() for name, t in own.state_dict().items()}
        x = torch.randn(4, 3, generator=torch.Generator().manual_seed(transport.rank))
        parallel.backward(own(x))
        return before, own.adapter.weight.grad, own.base.weight.grad

    results, _ = run_ranks(one_rank, [Mixed(seed) for seed in range(3)])
    want = Mixed(0).state_dict()
    for before, grad, frozen in results:
        assert all(torch.equal(before[name], want[name]) for name in want)
        assert torch.equal(grad, results[0][1]) and grad.abs().sum() > 0 and frozen is None


def test_a_wholly_frozen_model_is_made_equal_and_refuses_to_train():
    def one_rank(own, transport):
        parallel = DataParallel(own, transport)
        with pytest.raises(ValueError, match="every parameter is frozen"):
            parallel.backward(own(torch.ones(2, 3)))
        with pytest.raises(ValueError, match="every parameter is frozen"):
            ShardedOptimizer([{"params": list(own.parameters())}], transport, AdamW)
        return flatten(list(own.parameters()))

    flat, _ = run_ranks(one_rank, [Mixed(seed, frozen=True) for seed in range(2)])
    assert torch.equal(flat[0], flat[1])


def test_sharded_optimizer_leaves_frozen_parameters_and_names_unused_ones():
    def one_rank(own, transport):
        groups = [{"params": list(own.parameters())}]
        sharded = ShardedOptimizer(groups, transport, lambda part: AdamW(part, lr=0.1))
        start = flatten(list(own.base.parameters()))
        own.adapter.weight.grad = torch.ones(3, 3)
        with pytest.raises(ValueError, match=r"no gradient for parameters of shape \[\(3,\)\]"):
            sharded.step()
        own.adapter.bias.grad = torch.ones(3)
        sharded.step()
        assert torch.equal(start, flatten(list(own.base.parameters())))
        return flatten(list(own.parameters()))

    flat, _ = run_ranks(one_rank, [Mixed(seed) for seed in range(2)])
    assert torch.equal(flat[0], flat[1])
    assert not torch.equal(flat[0], flatten(list(Mixed(0).parameters())))


@pytest.mark.parametrize(("value", "norm"), [(300.0, 1200.0), (2.2e-4 / 4, 2.2e-4)])
def test_the_norm_of_half_precision_gradients(value, norm):
    def one_rank(own, transport):
        sharded = ShardedOptimizer([{"params": list(own.parameters())}], transport, torch.optim.SGD)
        for p in own.parameters():
            p.grad = torch.full_like(p, value)
        return sharded.step()

    models = [torch.nn.Linear(4, 4, bias=False).half() for _ in range(2)]
    assert run_ranks(one_rank, models)[0] == pytest.approx([norm] * 2, rel=1e-2)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_sharded_adamw_is_adamw(size):
    single = model()
    optimizer = AdamW(param_groups(single, 0.1), lr=1e-2)
    gradients = [torch.randn_like(p) for p in single.parameters()]

    def one_rank(own, transport):
        groups = param_groups(own, 0.1)
        sharded = ShardedOptimizer(groups, transport, lambda part: AdamW(part, lr=1e-2))
        for _ in range(3):
            for p, g in zip(own.parameters(), gradients, strict=True):
                p.grad = g * 2 * (transport.rank + 1) / (size + 1)  # their mean is g
            norm = sharded.step(clip=1.0)
        return norm, flatten(list(own.parameters())), sharded.state_numbers

    for _ in range(3):
        for p, g in zip(single.parameters(), gradients, strict=True):
            p.grad = g.clone()
        want_norm = torch.nn.utils.clip_grad_norm_(single.parameters(), 1.0)
        optimizer.step()
    results, _ = run_ranks(one_rank, [copy.deepcopy(model()) for _ in range(size)])
    numbers = sum(p.numel() for p in single.parameters())
    for norm, flat, state in results:
        assert norm == pytest.approx(want_norm.item())
        torch.testing.assert_close(flat, flatten(list(single.parameters())), atol=1e-12, rtol=0)
        assert 2 * numbers / size <= state <= 2 * numbers / size + 4


def test_buckets_go_last_first_and_hold_everything_once():
    parameters = list(model().parameters())
    buckets = make_buckets(parameters, 600)
    order = [p for bucket in buckets for p in bucket.parameters]
    assert [id(p) for p in order] == [id(p) for p in reversed(parameters)]
    assert 1 < len(buckets) < len(parameters)
    sizes = [sum(p.numel() * 8 for p in b.parameters) for b in buckets]
    several = zip(buckets, sizes, strict=True)
    assert all(size <= 600 for b, size in several if len(b.parameters) > 1)


def test_flatten_there_and_back():
    tensors = [torch.randn(2, 3), torch.randn(4)]
    back = unflatten(torch.cat([flatten(tensors), torch.zeros(2)]), tensors)
    assert all(torch.equal(a, b) for a, b in zip(tensors, back, strict=True))


def test_refusals_name_the_value():
    with pytest.raises(ValueError, match="5 rows don't split over 2"):
        rows_of_rank(5, 0, 2)
    with pytest.raises(ValueError, match="limit_bytes=0"):
        make_buckets([], 0)

    def forgetful(own, transport):
        own.unused = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
        parallel = DataParallel(own, transport)
        parallel.backward(own(data()[0]).sum())

    with pytest.raises(ValueError, match="no gradient for .*unused"):
        run_ranks(forgetful, [model()])
