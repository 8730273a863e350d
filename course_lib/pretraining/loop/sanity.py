"""The sanity ladder: six questions to ask of a model and its batches before a long run.

Each takes seconds, and each answers with a ``Rung``: whether it holds, what was measured, what was
wanted, and, where it fails, which fault that looks like. ``ladder`` climbs them in order. Source of
the habit: Karpathy 2019, "A Recipe for Training Neural Networks"; the floor of one batch, the probe
across rows and documents, and the faults' names are ours.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor, nn

from course_lib.pretraining.loss import IGNORE, Batch, cross_entropy, document_ids
from course_lib.pretraining.optimizers.adamw import AdamW


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One answer. ``fault`` is empty where ``passed``."""

    name: str
    passed: bool
    measured: float
    wanted: str
    fault: str = ""

    def __str__(self) -> str:
        verdict = "holds" if self.passed else f"FAILS: {self.fault}"
        return f"{self.name}: {self.measured:.3g} (wanted {self.wanted}); {verdict}"


def _rung(name: str, measured: float, wanted: str, faults: Sequence[tuple[bool, str]]) -> Rung:
    """The first fault whose condition is true names the rung's failure."""
    fault = next((text for found, text in faults if found), "")
    return Rung(name=name, passed=not fault, measured=measured, wanted=wanted, fault=fault)


def ladder(
    make_model: Callable[[], nn.Module],
    batch_at: Callable[[int], Batch],
    *,
    first_nats: float,
    eos_id: int | None = None,
    places: Sequence[int] = (2, 5),
    steps: int = 60,
    lr: float = 1e-2,
    loss_fn: Callable[..., Tensor] = cross_entropy,
) -> list[Rung]:
    """Climb until a rung fails: a later one can't be read while an earlier one doesn't hold.

    ``make_model()`` gives a fresh model with its ids' vectors in ``.embed``, ``batch_at(step)`` a
    batch of two rows or more. Cheap rungs come first; the last two train for ``steps`` steps.
    """
    model, batch = make_model(), batch_at(0)
    few = batch[0][:2], batch[1][:2]
    rungs = (
        lambda: shifted_labels(*batch),
        lambda: first_loss(model, batch, first_nats, eos_id=eos_id),
        lambda: causality(model, model.embed, few[0], eos_id=eos_id, places=places),
        lambda: every_weight_moves(model, few, eos_id=eos_id),
        lambda: overfits_one_batch(
            make_model(), few, eos_id=eos_id, steps=steps, lr=lr, loss_fn=loss_fn
        ),
        lambda: shuffled_input(
            make_model(), batch_at, eos_id=eos_id, steps=steps, lr=lr, loss_fn=loss_fn
        ),
    )
    climbed: list[Rung] = []
    for rung in rungs:
        climbed.append(rung())
        if not climbed[-1].passed:
            break
    return climbed


@torch.no_grad()
def first_loss(
    model: nn.Module,
    batch: Batch,
    wanted: float,
    *,
    eos_id: int | None = None,
    within: float = 0.25,
) -> Rung:
    """The loss before the first step is what the initialisation predicts, ``wanted`` nats.

    ln V where all logits are equal; ln V + s^2 / 2 where they are normal with variance s^2 and know
    nothing of the target. ``within`` leaves room for the chance of a few hundred tokens.
    """
    inputs, targets = batch
    logits = model(inputs, documents=document_ids(inputs, eos_id))
    loss, spread = cross_entropy(logits, targets).item(), logits.std().item()
    return _rung(
        "loss before the first step",
        loss,
        f"{wanted:.2f} ± {within:.2g} nats",
        [
            (not math.isfinite(loss), "the loss isn't a finite number"),
            (
                loss > wanted + within,
                f"the logits are too large (they spread by {spread:.1f}): "
                "look at the head's initialisation",
            ),
            (
                loss < wanted - within,
                "better than ignorance before any step: the weights aren't "
                "fresh, the logits are smaller than you think, or the targets leak",
            ),
        ],
    )


def shifted_labels(inputs: Int[Tensor, "batch seq"], targets: Int[Tensor, "batch seq"]) -> Rung:
    """The target at place t is the input at place t + 1, wherever there is a target."""

    def agreement(shift: int) -> float:
        wanted = targets[:, : targets.shape[1] - shift]
        kept = wanted != IGNORE
        if not kept.any():
            raise ValueError(f"targets: all are {IGNORE}, so there is nothing to compare")
        return (inputs[:, shift:] == wanted)[kept].double().mean().item()

    share = agreement(1)
    return _rung(
        "targets are the inputs, one place on",
        share,
        "a share of 1",
        [
            (share == 1.0, ""),
            (agreement(0) == 1.0, "not shifted: the model is asked for the token it looks at"),
            (agreement(2) == 1.0, "shifted twice: once by you and once by the library"),
            (
                True,
                f"{1 - share:.0%} of the targets aren't the next input: rows mixed up, or "
                "targets changed on the way",
            ),
        ],
    )


def causality(
    model: nn.Module,
    embedding: nn.Module,
    inputs: Int[Tensor, "batch seq"],
    *,
    eos_id: int | None = None,
    places: Sequence[int] = (2, 5),
) -> Rung:
    """What a place's logits depend on, read from gradients: its own document's past, no more.

    Measured is the largest |d logits_t / d input_j| over every forbidden j (later, in another row,
    or in another document), as a share of the largest over the allowed ones. It must be 0 exactly:
    a masked weight is a product with 0. ``embedding`` is the module that turns ids into vectors,
    ``inputs`` needs two rows or more. Give every document of it a past to look at.
    """
    documents = document_ids(inputs, eos_id)
    reach = _reach(model, embedding, inputs, documents, places)
    top = max(reach.values())
    worst = max(("later", "row", "document"), key=lambda kind: reach[kind])
    broken = reach[worst] > 0
    texts = {
        "later": "a place sees later tokens: the causal mask is missing or shifted",
        "row": "a row sees another row: a reshape or a batch statistic mixes them",
        "document": "a place sees an earlier document of its row: the document mask is missing",
    }
    return _rung(
        "causality by gradient",
        reach[worst] / top if top else 0.0,
        "0 exactly",
        [
            (top == 0, "no gradient at all comes back to the inputs: the graph is cut"),
            (broken, texts[worst]),
            (reach["past"] == 0, "a place sees itself alone: attention is off, so no context"),
        ],
    )


def _reach(
    model: nn.Module,
    embedding: nn.Module,
    inputs: Tensor,
    documents: Tensor | None,
    places: Sequence[int],
) -> dict[str, float]:
    """The largest gradient of some logits with respect to each kind of input place."""
    if len(inputs) < 2 or not 0 < min(places) <= max(places) < inputs.shape[1]:
        raise ValueError(
            f"inputs {tuple(inputs.shape)}, places {tuple(places)}: expected two rows or more, and "
            "places inside the row, after its first"
        )
    kept: list[Tensor] = []

    def keep(module: nn.Module, given: tuple, out: Tensor) -> Tensor:
        kept.append(out.detach().requires_grad_())
        return kept[-1]

    handle = embedding.register_forward_hook(keep)
    try:
        logits = model(inputs, documents=documents)
    finally:
        handle.remove()
    reach: dict[str, float] = defaultdict(float)
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(logits.shape[-1], generator=generator).to(logits.device)
    for t in places:
        (grad,) = torch.autograd.grad(
            (logits[0, t] * weights).sum(),
            kept,
            retain_graph=True,
            allow_unused=True,
            materialize_grads=True,
        )
        size = grad.abs().amax(-1)
        own = torch.ones_like(size[0], dtype=torch.bool)
        if documents is not None:
            own = documents[0] == documents[0, t]
        at = torch.arange(inputs.shape[1], device=size.device)
        masks = {
            "itself": at == t,
            "past": own & (at < t),
            "later": at > t,
            "document": ~own & (at < t),
        }
        for kind, mask in masks.items():
            reach[kind] = max(reach[kind], (size[0] * mask).max().item())
        reach["row"] = max(reach["row"], size[1:].max().item())
    return reach


def every_weight_moves(model: nn.Module, batch: Batch, *, eos_id: int | None = None) -> Rung:
    """The loss has a gradient, not all zero, for every weight that the optimizer will be given."""
    inputs, targets = batch
    loss = cross_entropy(model(inputs, documents=document_ids(inputs, eos_id)), targets)
    named = list(model.named_parameters())
    tracked = [p for _, p in named if p.requires_grad]
    grads = iter(torch.autograd.grad(loss, tracked, allow_unused=True))
    still = []
    for name, weight in named:
        grad = next(grads) if weight.requires_grad else None
        if grad is None or not grad.any():
            still.append(f"{name} ({'no gradient' if grad is None else 'all zero'})")
    return _rung(
        "weights that the loss moves",
        (len(named) - len(still)) / len(named),
        "a share of 1",
        [
            (
                bool(still),
                f"these never move: {', '.join(still[:3])}"
                + (f" and {len(still) - 3} more" if len(still) > 3 else ""),
            )
        ],
    )


def batch_floor(batch: Batch, *, eos_id: int | None = None) -> float:
    """The least mean loss that any causal model can reach on one batch, in nats a token.

    Where two places have seen the very same tokens, a model must answer both alike; the best answer
    is the frequency of what follows. Their entropy, averaged over all targets, is left.
    """
    inputs, targets = batch
    follows: dict[tuple[int, ...], Counter] = defaultdict(Counter)
    for row, wanted in zip(inputs.tolist(), targets.tolist(), strict=True):
        start = 0
        for t, (token, target) in enumerate(zip(row, wanted, strict=True)):
            start = t if token == eos_id else start
            if target != IGNORE:
                follows[tuple(row[start : t + 1])][target] += 1
    total = sum(sum(counts.values()) for counts in follows.values())
    nats = 0.0
    for counts in follows.values():
        seen = sum(counts.values())
        nats -= sum(n * math.log(n / seen) for n in counts.values())
    return nats / total


def overfits_one_batch(
    model: nn.Module,
    batch: Batch,
    *,
    eos_id: int | None = None,
    steps: int = 150,
    lr: float = 3e-3,
    within: float = 0.1,
    loss_fn: Callable[..., Tensor] = cross_entropy,
) -> Rung:
    """Trained on one batch alone, the model learns it by heart. Changes ``model``.

    Measured is the final loss above ``batch_floor``, which is not 0: documents that begin alike
    can't all be foretold. Below the floor is a fault too, and a worse one.
    """
    floor = batch_floor(batch, eos_id=eos_id)
    losses = fit(model, lambda step: batch, steps=steps, lr=lr, eos_id=eos_id, loss_fn=loss_fn)
    above = losses[-1] - floor
    return _rung(
        "loss above the floor after one batch, repeated",
        above,
        f"0 ± {within:.2g} nats",
        [
            (not math.isfinite(above), "the loss isn't a finite number: lower the rate"),
            (
                above < -within,
                "below what any causal model can reach: the target leaks in, or the "
                "loss counts places that it shouldn't",
            ),
            (
                losses[-1] > 0.9 * losses[0],
                "the loss hardly moves: no gradient, no optimizer step, or a rate near zero",
            ),
            (
                above > within,
                "it learns but not by heart: too few steps, too low a rate, too "
                "small a model, or targets that change from step to step",
            ),
        ],
    )


def shuffled_input(
    model: nn.Module,
    batch_at: Callable[[int], Batch],
    *,
    steps: int = 60,
    lr: float = 3e-3,
    within: float = 0.35,
    eos_id: int | None = None,
    seed: int = 0,
    loss_fn: Callable[..., Tensor] = cross_entropy,
) -> Rung:
    """With its inputs shuffled, the model learns how frequent tokens are and nothing more.

    Inputs are permuted over the whole batch, targets stay. Measured is the mean loss of the last
    quarter of the steps above the entropy of the targets seen. Changes ``model``.
    """
    generator = torch.Generator().manual_seed(seed)
    counts: Counter = Counter()

    def broken(step: int) -> Batch:
        inputs, targets = batch_at(step)
        counts.update(targets[targets != IGNORE].tolist())
        order = torch.randperm(inputs.numel(), generator=generator).to(inputs.device)
        return inputs.flatten()[order].view_as(inputs), targets

    losses = fit(model, broken, steps=steps, lr=lr, eos_id=eos_id, loss_fn=loss_fn)
    total = sum(counts.values())
    entropy = -sum(n / total * math.log(n / total) for n in counts.values())
    last = losses[-max(1, steps // 4) :]
    above = sum(last) / len(last) - entropy
    return _rung(
        "loss above the unigram entropy, inputs shuffled",
        above,
        f"0 ± {within:.2g} nats",
        [
            (not math.isfinite(above), "the loss isn't a finite number: lower the rate"),
            (
                above < -within,
                "it knows what the inputs don't say: padding counts in the loss, or "
                "the targets get in by another way",
            ),
            (
                above > within,
                "it doesn't even learn how frequent tokens are: too few steps, or "
                "the optimizer doesn't reach the weights",
            ),
        ],
    )


def fit(
    model: nn.Module,
    batch_at: Callable[[int], Batch],
    *,
    steps: int,
    lr: float,
    eos_id: int | None = None,
    loss_fn: Callable[..., Tensor] = cross_entropy,
) -> list[float]:
    """The shortest training loop: constant rate, no decay of weights. The loss of every step."""
    optimizer = AdamW([p for p in model.parameters() if p.requires_grad], lr=lr, weight_decay=0.0)
    losses = []
    for step in range(steps):
        inputs, targets = batch_at(step)
        loss = loss_fn(model(inputs, documents=document_ids(inputs, eos_id)), targets)
        model.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
