"""The parts of a block against torch's layers and Mixtral's mixture of experts."""

import pytest
import torch
from transformers import MixtralConfig
from transformers.models.mixtral.modeling_mixtral import (
    MixtralSparseMoeBlock,
    load_balancing_loss_func,
)

from course_lib.architecture.blocks.moe import (
    MoE,
    Routing,
    load_balance_loss,
    route,
    router_z_loss,
)


def apart(a: torch.Tensor, b: torch.Tensor) -> float:
    return (a - b).abs().max().item()


def mixtral_with_weights_of(block: MoE) -> MixtralSparseMoeBlock:
    """Mixtral's block with a copy of ours: it stacks the experts, gate above up."""
    expert = block.experts[0]
    theirs = MixtralSparseMoeBlock(
        MixtralConfig(
            hidden_size=expert.gate.in_features,
            intermediate_size=expert.gate.out_features,
            num_local_experts=len(block.experts),
            num_experts_per_tok=block.top_k,
        )
    )
    gate_up = [torch.cat((e.gate.weight, e.up.weight)) for e in block.experts]
    weights = {
        "gate.weight": block.router.weight,
        "experts.gate_up_proj": torch.stack(gate_up),
        "experts.down_proj": torch.stack([e.down.weight for e in block.experts]),
    }
    theirs.load_state_dict({name: w.detach().clone() for name, w in weights.items()})
    return theirs


@pytest.mark.parametrize(("n_experts", "top_k"), [(8, 2), (4, 1), (6, 6)])
def test_moe_equals_mixtral(parity, n_experts, top_k):
    torch.manual_seed(0)
    block = MoE(32, 48, n_experts, top_k)
    theirs = mixtral_with_weights_of(block)
    x = torch.randn(2, 40, 32, requires_grad=True)
    outputs = [block(x), theirs(x)]
    grads = [torch.autograd.grad(y.square().sum(), x, retain_graph=True)[0] for y in outputs]
    assert outputs[0].abs().max() > 0.05
    note = f"{n_experts} experts, top {top_k}, fp32"
    for what, pair in (("output", outputs), ("gradient", grads)):
        parity(
            stem="architecture",
            ours="architecture.moe.MoE",
            error=apart(*pair),
            tolerance=1e-6,
            reference="transformers MixtralSparseMoeBlock",
            note=f"{what}, {note}",
        )
    ours = torch.autograd.grad(outputs[0].square().sum(), block.router.weight)[0]
    wanted = torch.autograd.grad(outputs[1].square().sum(), theirs.gate.weight)[0]
    parity(
        stem="architecture",
        ours="architecture.moe.MoE",
        error=apart(ours, wanted),
        tolerance=1e-5,
        reference="transformers MixtralSparseMoeBlock",
        note=f"router's gradient, {note}",
    )


@pytest.mark.parametrize("top_k", [1, 2])
def test_load_balance_loss_equals_transformers(parity, top_k):
    layers = [3 * torch.randn(50, 8) for _ in range(3)]
    parity(
        stem="architecture",
        ours="architecture.moe.load_balance_loss",
        tolerance=1e-6,
        reference="transformers load_balancing_loss_func",
        note=f"one layer, top {top_k}",
        error=apart(
            load_balance_loss(route(layers[0], top_k)),
            load_balancing_loss_func((layers[0],), 8, top_k),
        ),
    )
    parity(
        stem="architecture",
        ours="architecture.moe.load_balance_loss",
        tolerance=1e-6,
        reference="transformers load_balancing_loss_func",
        note=f"three layers pooled as one, top {top_k}",
        error=apart(
            load_balance_loss(route(torch.cat(layers), top_k)),
            load_balancing_loss_func(tuple(layers), 8, top_k),
        ),
    )


def test_z_loss_equals_transformers(parity):
    from transformers.models.switch_transformers.modeling_switch_transformers import (
        router_z_loss_func,
    )

    logits = 3 * torch.randn(2, 25, 8)  # [groups, tokens, n_experts]
    routing: Routing = route(logits.flatten(0, 1), 2)
    parity(
        stem="architecture",
        ours="architecture.moe.router_z_loss",
        tolerance=1e-5,
        reference="transformers Switch router_z_loss_func",
        note="fp32",
        error=apart(router_z_loss(routing), router_z_loss_func(logits)),
    )
