"""Each optimizer's first step by hand, its states, and what it refuses."""

import pytest
import torch

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.pretraining.optimizers.adamw import AdamW
from course_lib.pretraining.optimizers.classic import SGD, Adafactor, Adam, Lion
from course_lib.pretraining.optimizers.eight_bit import (
    AdamW8bit,
    dequantize,
    dynamic_code,
    quantize,
)
from course_lib.pretraining.optimizers.muon import Muon, muon_groups, newton_schulz
from course_lib.pretraining.optimizers.schedule_free import ScheduleFreeAdamW

ALL = {
    "SGD": lambda w: SGD(w, lr=0.1),
    "Adam": lambda w: Adam(w, lr=0.1),
    "Lion": lambda w: Lion(w, lr=0.1),
    "Adafactor": lambda w: Adafactor(w, lr=0.1),
    "Muon": lambda w: Muon(w, lr=0.1),
    "Schedule-Free": lambda w: ScheduleFreeAdamW(w, lr=0.1),
    "8 bits": lambda w: AdamW8bit(w, lr=0.1, weight_decay=0.0),
}


def weight(values) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.tensor(values))


def after(optimizer, parameter, *gradients):
    """The weight's values after steps with these gradients."""
    for gradient in gradients:
        parameter.grad = torch.tensor(gradient)
        optimizer.step()
    return parameter.detach().flatten().tolist()


def test_sgd_by_hand():
    w = weight([1.0])
    # m = 2, then 0.5 * 2 + 1 = 2: two steps of 0.1 * 2
    assert after(SGD([w], lr=0.1, momentum=0.5), w, [2.0], [1.0]) == pytest.approx([0.6])
    w = weight([1.0])
    assert after(SGD([w], lr=0.1, weight_decay=0.5), w, [2.0]) == pytest.approx([0.75])


def test_adams_first_step_is_the_rate_whatever_the_gradient():
    w = weight([1.0, 1.0])
    assert after(Adam([w], lr=0.1), w, [3.0, -0.001]) == pytest.approx([0.9, 1.1], abs=1e-4)


def test_coupled_decay_hardly_decays_where_gradients_are_large():
    gradients = [[100.0], [-100.0]] * 50
    coupled, apart = weight([1.0]), weight([1.0])
    after(Adam([coupled], lr=0.01, weight_decay=0.1), coupled, *gradients)
    after(AdamW([apart], lr=0.01, weight_decay=0.1), apart, *gradients)
    assert 1 - coupled.item() < 0.3 * (1 - apart.item())
    assert apart.item() == pytest.approx(0.999**100, abs=0.02)


def test_lion_moves_by_the_rate_and_remembers_by_its_second_beta():
    w = weight([1.0, 1.0])
    lion = Lion([w], lr=0.1, betas=(0.9, 0.99))
    assert after(lion, w, [3.0, -0.001]) == pytest.approx([0.9, 1.1])
    assert lion.state[w]["exp_avg"].tolist() == pytest.approx([0.03, -0.00001])


def test_adafactor_keeps_a_row_and_a_column():
    w = torch.nn.Parameter(torch.ones(5, 3))
    optimizer = Adafactor([w], lr=0.1)
    w.grad = torch.arange(1.0, 16.0).view(5, 3)
    optimizer.step()
    state = optimizer.state[w]
    assert {name: tuple(s.shape) for name, s in state.items()} == {
        "step": (),
        "row_var": (5, 1),
        "col_var": (1, 3),
    }
    assert state["col_var"].flatten().tolist() == pytest.approx(
        w.grad.square().mean(0).tolist(), rel=1e-5
    )
    # The first update has root mean square near 1, so the weights, of size 1, move by 10 %.
    assert (1 - w).square().mean().sqrt().item() == pytest.approx(0.1, rel=0.05)


def test_newton_schulz_turns_singular_values_to_one():
    matrix = torch.randn(20, 50, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(newton_schulz(matrix, dtype=torch.float32))
    assert 0.6 < values.min() < values.max() < 1.3
    assert torch.linalg.svdvals(matrix).max() > 3 * torch.linalg.svdvals(matrix).min()
    assert newton_schulz(torch.zeros(3, 4)).abs().max() == 0
    tall = newton_schulz(matrix.T, dtype=torch.float32)
    assert torch.allclose(tall, newton_schulz(matrix, dtype=torch.float32).T, atol=1e-5)


def test_muon_leaves_vectors_and_embeddings_to_adam():
    config = ModelConfig(vocab_size=11, d_model=16, n_heads=2, n_kv_heads=1, d_ff=24, n_layers=2)
    model = Decoder(config)
    groups = muon_groups(model, lr=0.02, adam_lr=0.004, embed_lr=0.1)
    assert [(len(g["params"]), g["lr"], g["adam"]) for g in groups] == [
        (10, 0.02, False),
        (1, 0.1, True),
        (5, 0.004, True),
    ]
    before = model.embed.weight.detach().clone()
    optimizer = Muon(groups)
    model(torch.arange(8)[None]).logsumexp(-1).mean().backward()
    optimizer.step()
    moved = (model.embed.weight - before).abs()
    assert moved.max().item() == pytest.approx(0.1, rel=0.01)  # Adam's first step is its rate
    assert set(optimizer.state[model.embed.weight]) == {"step", "exp_avg", "exp_avg_sq"}
    assert set(optimizer.state[model.blocks[0].mlp.down.weight]) == {"momentum_buffer"}


def test_muon_refuses_a_vector():
    w = weight([1.0, 2.0])
    with pytest.raises(ValueError, match=r"shape \(2,\): expected two axes"):
        after(Muon([w]), w, [1.0, 1.0])


def test_schedule_free_holds_the_mean_when_asked():
    w = weight([0.0])
    optimizer = ScheduleFreeAdamW([w], lr=1.0, betas=(0.5, 0.0), eps=0.0)
    after(optimizer, w, [1.0])  # z = -1, the mean of one is it
    optimizer.eval()
    assert w.item() == pytest.approx(-1.0)
    with pytest.raises(ValueError, match="call train"):
        optimizer.step()
    optimizer.train()
    after(optimizer, w, [1.0])  # z = -2, x = (-1 - 2) / 2
    optimizer.eval()
    assert w.item() == pytest.approx(-1.5)
    assert optimizer.state[w]["z"].item() == pytest.approx(-2.0)


def test_the_code_of_eight_bits():
    signed, positive = dynamic_code(True), dynamic_code(False)
    assert len(signed) == len(positive) == 256
    assert signed.max() == positive.max() == 1
    assert signed.min() == pytest.approx(-0.9929688)
    assert positive.min() == 0
    x = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    codes, scales = quantize(x)
    assert codes.dtype == torch.uint8
    assert len(scales) == 4
    wrong = (dequantize(codes, scales) - x).abs()
    assert 1e-4 < wrong.max() <= 0.0071 * scales.max()  # half of a step at the top


def test_eight_bit_states_take_a_byte_and_small_ones_four():
    big, small = (torch.nn.Parameter(torch.ones(n)) for n in (8192, 100))
    optimizer = AdamW8bit([big, small])
    for w in (big, small):
        w.grad = torch.linspace(-1, 1, len(w))
    optimizer.step()
    size = sum(s.nbytes for name, s in optimizer.state[big].items() if name != "step")
    assert size == 2 * (8192 + 4 * 32)
    assert optimizer.state[small]["exp_avg"].dtype == torch.float32


def test_a_square_that_rounds_to_zero_makes_a_huge_step():
    moved = []
    for positive in (False, True):
        w = torch.nn.Parameter(torch.zeros(4096))
        optimizer = AdamW8bit([w], lr=1e-3, weight_decay=0.0, positive=positive)
        for gradient in (2e-4, 0.0):
            w.grad = torch.full_like(w, gradient)
            w.grad[::256] = 1.0  # one large number in each block
            optimizer.step()
        moved.append(w.abs().max().item())
    assert moved[0] > 0.1 > 0.01 > moved[1]


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_gradients_stay_and_states_are_apart(make):
    torch.manual_seed(0)
    one, two = (torch.nn.Parameter(torch.randn(4, 6)) for _ in range(2))
    alone = torch.nn.Parameter(one.detach().clone())
    together, single = make([one, two]), make([alone])
    for _ in range(3):
        gradient = torch.randn(4, 6)
        one.grad, alone.grad, two.grad = gradient.clone(), gradient.clone(), 5 * gradient
        together.step()
        single.step()
        assert torch.equal(one.grad, gradient)
    assert torch.equal(one, alone)
    assert all(isinstance(s, torch.Tensor) for s in together.state[one].values())


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_it_finds_the_minimum_of_a_bowl(make):
    torch.manual_seed(0)
    goal, w = torch.randn(4, 6), torch.nn.Parameter(torch.zeros(4, 6))
    optimizer = make([w])
    first = (w - goal).square().sum().item()
    for step in range(200):
        optimizer.param_groups[0]["lr"] = 0.1 * (1 - step / 200)
        w.grad = (w - goal).detach()
        optimizer.step()
    if isinstance(optimizer, ScheduleFreeAdamW):
        optimizer.eval()
    assert (w - goal).square().sum().item() < 0.05 * first


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda w: SGD(w, lr=-1.0), "lr=-1.0: expected at least 0"),
        (lambda w: SGD(w, lr=float("nan")), "lr=nan: expected at least 0"),
        (lambda w: Lion(w, lr=float("inf")), "lr=inf: expected at least 0"),
        (lambda w: SGD(w, lr=0.1, momentum=1.0), r"momentum=1.0: expected a number in \[0, 1\)"),
        (lambda w: Adam(w, betas=(0.9, 1.0)), r"betas=\(0.9, 1.0\): expected two numbers"),
        (lambda w: Lion(w, weight_decay=-0.1), "weight_decay=-0.1: expected at least 0"),
        (lambda w: ScheduleFreeAdamW(w, betas=(0.0, 0.9)), r"betas\[0\]=0"),
        (lambda w: Adam(w).step(closure=lambda: 0.0), "closure: .* pass None"),
    ],
)
def test_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make([weight([1.0])])


def test_newton_schulz_refuses_no_rounds():
    with pytest.raises(ValueError, match="rounds=0: expected at least 1"):
        newton_schulz(torch.ones(2, 2), rounds=0)
