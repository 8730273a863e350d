"""Learning from pairs: DPO and IPO.

A pair is a prompt with a reply that was preferred (c) and one that was not (r). With
h = log p(c)/p_ref(c) - log p(r)/p_ref(r), summed over the reply's tokens,

    DPO   L = -log sigmoid(beta · h)              Rafailov et al. 2023, equation 7
    IPO   L = (h - 1 / (2 beta))^2                Azar et al. 2023, equation 17

DPO's loss falls as long as h grows, so it never says "enough"; IPO aims at a margin of 1/(2 beta).
Neither loss says that log p(c) must rise: h also grows while both fall, if r falls faster.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.architecture.decoder import Decoder
from course_lib.pretraining.optimizers.adamw import AdamW, param_groups
from course_lib.pretraining.schedules.rates import cool_down, warm_up
from course_lib.sft.masking import Example, pad_rows, target_logprobs

WARM_UP = 10  # steps


@dataclass(frozen=True)
class Pair:
    """One prompt, the reply to prefer and the reply to avoid (token ids)."""

    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.chosen == self.rejected:
            raise ValueError(f"chosen and rejected are the same reply: {self.chosen}")


@dataclass(frozen=True, kw_only=True)
class PreferenceConfig:
    """The loss ("dpo" or "ipo"), its beta, and how long and fast to train.

    batch_size: pairs a step.
    """

    loss: str = "dpo"
    beta: float = 0.1
    epochs: int = 1
    batch_size: int = 16
    lr: float = 1e-4
    clip: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ValueError(f"loss {self.loss!r} must be one of {', '.join(LOSSES)}")
        for name in ("beta", "lr", "clip"):
            if not 0 < getattr(self, name) < math.inf:  # NaN is neither
                raise ValueError(f"{name} {getattr(self, name)} must be a number above 0")
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)} must be at least 1")


@dataclass(frozen=True, kw_only=True)
class PreferenceLog:
    """One step. margin = beta · h (DPO's implicit reward, chosen less rejected), in nats;
    accuracy: the share of pairs with a positive margin; chosen, rejected: change of log p."""

    step: int
    loss: float
    margin: float
    accuracy: float
    chosen: float
    rejected: float


def dpo_loss(
    chosen: Float[Tensor, "batch"], rejected: Float[Tensor, "batch"], beta: float
) -> Float[Tensor, "batch"]:
    """-log sigmoid(beta (chosen - rejected)); both are log p/p_ref of whole replies."""
    return -F.logsigmoid(beta * (chosen - rejected))


def ipo_loss(
    chosen: Float[Tensor, "batch"], rejected: Float[Tensor, "batch"], beta: float
) -> Float[Tensor, "batch"]:
    """((chosen - rejected) - 1 / (2 beta))^2; both are log p/p_ref of whole replies."""
    return (chosen - rejected - 1 / (2 * beta)) ** 2


LOSSES: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {"dpo": dpo_loss, "ipo": ipo_loss}


def reply_logprobs(
    model: nn.Module, inputs: Int[Tensor, "batch seq"], targets: Int[Tensor, "batch seq"]
) -> Float[Tensor, "batch"]:
    """log p(reply | prompt) of each row: the sum over its counted tokens."""
    return target_logprobs(model(inputs), targets).sum(-1)


def pair_rows(
    pairs: Sequence[Pair], pad_id: int
) -> tuple[Int[Tensor, "two_batch seq"], Int[Tensor, "two_batch seq"]]:
    """(inputs, targets) of all chosen replies, then all rejected ones, in one padded batch."""
    chosen = [Example(pair.prompt, pair.chosen) for pair in pairs]
    rejected = [Example(pair.prompt, pair.rejected) for pair in pairs]
    return pad_rows(chosen + rejected, pad_id)


def train_preferences(
    model: Decoder,
    pairs: Sequence[Pair],
    config: PreferenceConfig,
    *,
    pad_id: int,
    on_log: Callable[[PreferenceLog], None] | None = None,
) -> list[PreferenceLog]:
    """Train `model` in place on the pairs; the reference is the model as it came in.

    Each epoch shows every pair once; its last step holds what is left over. Raises ValueError where
    there are no pairs.
    """
    if not pairs:
        raise ValueError("pairs is empty: expected at least one pair to learn from")
    reference = copy.deepcopy(model).requires_grad_(False).eval()
    optimizer = AdamW(param_groups(model, 0.0), lr=config.lr)
    steps = math.ceil(len(pairs) / config.batch_size) * config.epochs
    logs: list[PreferenceLog] = []
    model.train()
    for step in range(steps):
        both = pair_rows(_batch(pairs, config, step), pad_id)
        inputs, targets = (t.to(model.device) for t in both)
        with torch.no_grad():
            before = reply_logprobs(reference, inputs, targets)
        chosen, rejected = (reply_logprobs(model, inputs, targets) - before).chunk(2)
        loss = LOSSES[config.loss](chosen, rejected, config.beta).mean()
        for group in optimizer.param_groups:
            group["lr"] = config.lr * warm_up(step, WARM_UP) * cool_down(step / steps)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        optimizer.step()
        logs.append(_log(step + 1, loss, chosen, rejected, config.beta))
        if on_log:
            on_log(logs[-1])
    model.eval()
    return logs


def _batch(pairs: Sequence[Pair], config: PreferenceConfig, step: int) -> list[Pair]:
    """The pairs of one step: each epoch walks through all pairs in a new order."""
    epoch, i = divmod(step, math.ceil(len(pairs) / config.batch_size))
    generator = torch.Generator().manual_seed(1_000_003 * config.seed + epoch)
    order = torch.randperm(len(pairs), generator=generator).tolist()
    return [pairs[j] for j in order[i * config.batch_size : (i + 1) * config.batch_size]]


def _log(step: int, loss: Tensor, chosen: Tensor, rejected: Tensor, beta: float) -> PreferenceLog:
    margin = beta * (chosen - rejected)
    return PreferenceLog(
        step=step,
        loss=loss.item(),
        margin=margin.mean().item(),
        accuracy=(margin > 0).float().mean().item(),
        chosen=chosen.mean().item(),
        rejected=rejected.mean().item(),
    )
