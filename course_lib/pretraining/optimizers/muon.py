"""Muon: momentum whose matrix is made orthogonal before it is taken as a step."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course_lib.architecture.ops import at_least_float32
from course_lib.pretraining.optimizers.adamw import adam_step
from course_lib.pretraining.optimizers.per_weight import PerWeight, checked

# Chosen by Jordan (2024) for a steep slope at 0: after five rounds singular values lie in about
# 0.7 to 1.2. Coefficients of a polynomial that converges to 1 need more rounds.
QUINTIC = (3.4445, -4.7750, 2.0315)


def newton_schulz(
    matrix: Float[Tensor, "*rows_columns"],
    rounds: int = 5,
    dtype: torch.dtype = torch.bfloat16,
) -> Float[Tensor, "*rows_columns"]:
    r"""Nearly U Vᵀ of matrix = U S Vᵀ: every singular value is brought near 1, by products alone.

    X ← M / ‖M‖, then ``rounds`` times X ← a X + (b A + c A²) X with A = X Xᵀ. A round acts on each
    singular value apart: s ← a s + b s³ + c s⁵. The result has ``dtype``. A zero matrix stays zero.
    Raises ValueError where ``matrix`` isn't one, or ``rounds`` is below 1.
    Source: Jordan et al. 2024, "Muon", algorithm 2; Björck & Bowie 1971 for the cubic form.
    """
    if matrix.ndim != 2:
        raise ValueError(f"matrix has shape {tuple(matrix.shape)}: expected two axes")
    if rounds < 1:
        raise ValueError(f"rounds={rounds}: expected at least 1")
    a, b, c = QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.to(dtype)
    x = x.mT if tall else x  # A is then the smaller of the two squares
    x = x / at_least_float32(x).norm().clamp(min=1e-7).to(dtype)
    for _ in range(rounds):
        square = x @ x.mT
        x = torch.addmm(x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


class Muon(PerWeight):
    r"""Muon for matrices; Adam in the groups that say ``"adam": True``.

    For a matrix W of shape [rows, columns], with gradient G::

        M ← μ M + (1 − μ) G
        W ← W − η λ W
        W ← W − η √max(1, rows / columns) · NewtonSchulz((1 − μ) G + μ M)

    Every direction of the step gets the same length. A group may have its own lr, weight_decay,
    betas and eps. Source: Jordan et al. 2024; decay: Liu et al. 2025, section 2.2. Deviations: as
    in torch.optim.Muon the momentum is a mean, not a sum; η of the Adam groups is theirs alone.
    Raises ValueError for a weight that is no matrix in a group without ``"adam": True``.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-8,
        rounds: int = 5,
        dtype: torch.dtype = torch.bfloat16,
    ):
        settings = checked(
            lr=lr, momentum=momentum, weight_decay=weight_decay, betas=betas, eps=eps, rounds=rounds
        )
        super().__init__(params, {**settings, "dtype": dtype, "adam": False})

    def _move(self, weight: Tensor, grad: Tensor, state: dict, group: dict) -> None:
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        if group["adam"]:
            return adam_step(weight, grad, state, group)
        if not state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        mean = state["momentum_buffer"].lerp_(grad, 1 - group["momentum"])
        step = newton_schulz(grad.lerp(mean, group["momentum"]), group["rounds"], group["dtype"])
        rows, columns = weight.shape
        weight.add_(step, alpha=-group["lr"] * max(1.0, rows / columns) ** 0.5)


def muon_groups(
    model: nn.Module, lr: float = 0.02, adam_lr: float = 0.004, embed_lr: float | None = None
) -> list[dict]:
    """Groups for Muon: the blocks' matrices; embeddings and head; vectors. The last two by Adam.

    An embedding's row is only ever read by its own token, so its rows are no directions of one map
    that could be made orthogonal; Jordan et al. (2024) leave it and the head to Adam. ``embed_lr``
    is the embedding's rate where it isn't ``adam_lr`` (a tied embedding is the head as well).
    """
    embeddings = [m for m in model.modules() if isinstance(m, nn.Embedding)]
    embedded = {id(p) for module in embeddings for p in module.parameters()}
    groups = {
        "inner": {"params": [], "lr": lr, "adam": False},
        "embedded": {"params": [], "lr": adam_lr if embed_lr is None else embed_lr, "adam": True},
        "rest": {"params": [], "lr": adam_lr, "adam": True},
    }
    for name, weight in model.named_parameters():
        inner = weight.ndim == 2 and not name.startswith("head.")
        kind = "embedded" if id(weight) in embedded else "inner" if inner else "rest"
        if weight.requires_grad:
            groups[kind]["params"].append(weight)
    return [group for group in groups.values() if group["params"]]
