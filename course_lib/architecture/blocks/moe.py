"""A mixture of experts: many SwiGLU blocks, of which a router gives each token a few.

Parameters grow with the number of experts, the FLOPs of a token with `top_k` alone. Written for
reading: one expert after the other, each on the tokens sent to it. What a large run does instead
(sorted tokens and one grouped matrix product, experts on different devices) computes the same.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from course_lib.architecture.blocks.feedforward import SwiGLU
from course_lib.architecture.ops import at_least_float32


class Routing(NamedTuple):
    """What the router decided: one row a token, in reading order; `experts` best first.

    `probabilities` is the softmax over all experts, `weights` what each chosen expert's output is
    multiplied with, `kept` False where an expert was full and the token was dropped there.
    """

    logits: Float[Tensor, "tokens n_experts"]
    probabilities: Float[Tensor, "tokens n_experts"]
    experts: Int[Tensor, "tokens top_k"]
    weights: Float[Tensor, "tokens top_k"]
    kept: Bool[Tensor, "tokens top_k"]


def route(
    logits: Float[Tensor, "tokens n_experts"],
    top_k: int,
    *,
    normalise: bool = True,
    capacity: int | None = None,
) -> Routing:
    """softmax over all experts, in float32; the `top_k` best are chosen.

    With `normalise` the chosen probabilities are divided by their sum: Jiang et al. 2024 (Mixtral),
    section 2.1, where softmax comes after the choice, which is the same. Without it: Fedus et al.
    2022 (Switch), equation 2. `capacity`: see `within_capacity`.
    """
    n_experts = logits.shape[-1]
    if not 1 <= top_k <= n_experts:
        raise ValueError(
            f"route: top_k is {top_k}, expected 1 to {n_experts}, the last axis of logits "
            f"{tuple(logits.shape)}"
        )
    probabilities = at_least_float32(logits).softmax(-1)
    weights, experts = probabilities.topk(top_k, dim=-1)
    if normalise:
        weights = weights / weights.sum(-1, keepdim=True)
    kept = torch.ones_like(experts, dtype=torch.bool)
    if capacity is not None:
        kept = within_capacity(experts, n_experts, capacity)
    return Routing(logits, probabilities, experts, weights, kept)


def within_capacity(
    experts: Int[Tensor, "tokens top_k"], n_experts: int, capacity: int
) -> Bool[Tensor, "tokens top_k"]:
    """True for the first `capacity` tokens of each expert; the rest are dropped.

    All first choices come before all second ones, and within them earlier tokens before later ones:
    Lepikhin et al. 2021 (GShard), algorithm 1. So whether a token is dropped depends on the others
    in its batch.
    """
    if capacity < 0:
        raise ValueError(f"within_capacity: capacity is {capacity}, expected 0 or more")
    queue = experts.T.flatten()  # first choices, then second: [top_k * tokens]
    chosen = nn.functional.one_hot(queue, n_experts)
    place = (chosen.cumsum(0) * chosen).sum(-1)  # 1 for the first in an expert's queue
    return (place <= capacity).view(experts.shape[1], experts.shape[0]).T


def expert_capacity(tokens: int, n_experts: int, top_k: int, factor: float) -> int:
    """ceil(factor * tokens * top_k / n_experts): slots an expert has for one batch.

    Factor 1 is just enough where the load is even. Source: Fedus et al. 2022, equation 3 (for
    top_k 1); Zoph et al. 2022 (ST-MoE) use 1.25 in training and 2 in evaluation.
    """
    return math.ceil(factor * tokens * top_k / n_experts)


def load_balance_loss(routing: Routing) -> Float[Tensor, ""]:
    """n_experts * sum_e f_e P_e, with f_e the assignments to e per token, P_e its mean probability.

    `top_k` when all experts are used alike, more otherwise, n_experts at worst (top_k 1). Only P
    has a gradient: it says to want the busy experts less. Source: Fedus et al. 2022, equation 4,
    counting all top_k choices, as Mixtral does, dropped or not. Deviation from `transformers`,
    which pools the layers of a model before the product: here each layer balances by itself.
    """
    n_experts = routing.logits.shape[-1]
    counts = torch.bincount(routing.experts.flatten(), minlength=n_experts)
    share = counts / routing.experts.shape[0]
    return n_experts * (share * routing.probabilities.mean(0)).sum()


def router_z_loss(routing: Routing) -> Float[Tensor, ""]:
    """mean over tokens of (log sum_e exp logit_e)^2: keeps the logits from growing.

    Source: Zoph et al. 2022 (ST-MoE), equation 5, where its weight is 0.001.
    """
    return at_least_float32(routing.logits).logsumexp(-1).square().mean()


def expert_load(routing: Routing) -> Float[Tensor, " n_experts"]:
    """The share of all kept assignments that each expert got; even is 1 / n_experts."""
    n_experts = routing.logits.shape[-1]
    counts = torch.bincount(routing.experts[routing.kept], minlength=n_experts)
    return counts / counts.sum().clamp(min=1)


class MoE(nn.Module):
    """y = sum over the chosen experts e of weight_e * expert_e(x), for each token by itself.

    `routing` keeps the decisions of the last call, with their gradients, for the losses above.
    `capacity_factor` None means that no token is ever dropped. Equal to the block of Mixtral in
    `transformers`, which adds optional noise on the input in training.
    """

    def __init__(
        self,
        d_model: int,
        d_ff: int,
        n_experts: int,
        top_k: int,
        *,
        normalise: bool = True,
        capacity_factor: float | None = None,
    ) -> None:
        super().__init__()
        if not 1 <= top_k <= n_experts:
            raise ValueError(f"MoE: top_k is {top_k}, expected 1 to n_experts {n_experts}")
        if capacity_factor is not None and not capacity_factor > 0:
            raise ValueError(f"MoE: capacity_factor is {capacity_factor}, expected None or > 0")
        self.top_k, self.normalise, self.capacity_factor = top_k, normalise, capacity_factor
        self.router = nn.Linear(d_model, n_experts, bias=False)
        self.experts = nn.ModuleList(SwiGLU(d_model, d_ff) for _ in range(n_experts))
        self.routing: Routing | None = None

    def __getstate__(self) -> dict:
        """What a copy takes along: the weights, not the last call's decisions and their graph."""
        return self.__dict__ | {"routing": None}

    def forward(self, x: Float[Tensor, "*lead d_model"]) -> Float[Tensor, "*lead d_model"]:
        d_model, n_experts = self.router.in_features, self.router.out_features
        if x.shape[-1] != d_model:
            raise ValueError(
                f"MoE: x has shape {tuple(x.shape)}, expected a last axis of {d_model} (d_model)"
            )
        flat = x.reshape(-1, d_model)  # [tokens, d_model]
        capacity = None
        if self.capacity_factor is not None:
            capacity = expert_capacity(len(flat), n_experts, self.top_k, self.capacity_factor)
        routing = route(self.router(flat), self.top_k, normalise=self.normalise, capacity=capacity)
        y = torch.zeros_like(flat)
        for e, expert in enumerate(self.experts):
            token, choice = torch.where((routing.experts == e) & routing.kept)
            weight = routing.weights[token, choice].unsqueeze(-1).to(x.dtype)
            y = y.index_add(0, token, expert(flat[token]) * weight)
        self.routing = routing
        return y.view_as(x)
