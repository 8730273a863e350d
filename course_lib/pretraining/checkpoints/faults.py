"""What a run does about a number that can't be right: NaN, infinity, or a loss that jumps.

A step whose loss or gradient isn't finite must not move the weights: one NaN in the update and all
of them are lost. A *spike*, a loss far above those before it, is finite; whether to learn from it
is a policy. Source of skipping the batches of a spike: Chowdhery et al. 2022 (PaLM), section 5.1,
who went back to a checkpoint and left 200 to 500 batches out. We leave out one, unlearned.
"""

import math
from dataclasses import asdict, dataclass

import torch
from jaxtyping import Int
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Policy:
    """``nonfinite``: "stop" or "skip". ``spike``: "skip", "warn" or "ignore".

    A spike is a loss more than ``z`` standard deviations above the running mean of about the last
    ``memory`` losses. ``patience``: bad steps in a row after which the run stops all the same.
    """

    nonfinite: str = "stop"
    spike: str = "warn"
    z: float = 6.0
    memory: int = 100
    patience: int = 5

    def __post_init__(self):
        for name, known in (("nonfinite", ("stop", "skip")), ("spike", ("skip", "warn", "ignore"))):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}={getattr(self, name)!r}: expected one of {known}")
        if not (self.z > 0 and self.memory >= 10 and self.patience >= 1):
            raise ValueError(
                f"z={self.z}, memory={self.memory}, patience={self.patience}: expected above 0, "
                "at least 10 and at least 1"
            )


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether the weights may move, whether the run goes on, and why not: kind and reason."""

    update: bool = True
    stop: bool = False
    kind: str | None = None
    reason: str = ""


@dataclass
class Guard:
    """Judges each step by its loss and gradient norm, and remembers the losses before it.

    With decay b = 1 - 1/memory, for each accepted loss x: d = x - mean; mean ← mean + (1 - b) d;
    variance ← b (variance + (1 - b) d²). Its state is part of the checkpoint: without it, a resumed
    run would judge differently.
    """

    policy: Policy
    mean: float = 0.0
    variance: float = 0.0
    seen: int = 0
    bad_in_a_row: int = 0

    def judge(self, loss: float, norm: float) -> Verdict:
        """The verdict on a step, from numbers that are the same on every rank."""
        verdict = self._verdict(loss, norm)
        self.bad_in_a_row = 0 if verdict.update else self.bad_in_a_row + 1
        if math.isfinite(loss) and verdict.update:
            self._remember(loss)
        if self.bad_in_a_row >= self.policy.patience:
            why = f"{verdict.reason}; {self.bad_in_a_row} steps in a row"
            return Verdict(update=False, stop=True, kind=verdict.kind, reason=why)
        return verdict

    def score(self, loss: float) -> float:
        """Standard deviations above the running mean; 0 until enough losses were seen.

        A deviation of less than 1 % of the mean counts as 1 %: in a quiet run every ripple would
        be a spike.
        """
        if self.seen < self.policy.memory // 2:
            return 0.0
        return (loss - self.mean) / max(math.sqrt(self.variance), 0.01 * abs(self.mean), 1e-12)

    def state_dict(self) -> dict:
        """JSON-ready; floats survive JSON bit for bit."""
        return {name: value for name, value in asdict(self).items() if name != "policy"}

    def load_state_dict(self, state: dict) -> None:
        """Go on from there."""
        for name in self.state_dict():
            setattr(self, name, state[name])

    def _verdict(self, loss: float, norm: float) -> Verdict:
        if not (math.isfinite(loss) and math.isfinite(norm)):
            reason = f"loss {loss:.4g}, gradient norm {norm:.4g}"
            stop = self.policy.nonfinite == "stop"
            return Verdict(update=False, stop=stop, kind="nonfinite", reason=reason)
        z = self.score(loss)
        if z > self.policy.z and self.policy.spike != "ignore":
            reason = f"loss {loss:.4f} is {z:.1f} standard deviations above {self.mean:.4f}"
            return Verdict(update=self.policy.spike == "warn", kind="spike", reason=reason)
        return Verdict()

    def _remember(self, loss: float) -> None:
        self.seen += 1
        share = max(1 / self.seen, 1 / self.policy.memory)  # a plain mean at first
        apart = loss - self.mean
        self.mean += share * apart
        self.variance = (1 - share) * (self.variance + share * apart * apart)


def first_broken_parameter(model: nn.Module) -> str | None:
    """The parameter whose gradient broke first, or None where all gradients are finite.

    The backward pass goes from the loss to the embedding. So of the parameters with NaN or Inf in
    their gradients, the last in the model's order met it first. Look before clipping: that
    multiplies all gradients by one number, and a NaN there breaks every one.
    """
    broken = [
        name
        for name, p in model.named_parameters()
        if p.grad is not None and not torch.isfinite(p.grad).all()
    ]
    return broken[-1] if broken else None


@torch.no_grad()
def first_broken_layer(
    model: nn.Module, inputs: Int[Tensor, "batch seq"], documents: Int[Tensor, "batch seq"] | None
) -> str | None:
    """The first module, in the order of the forward pass, whose output isn't finite, or None.

    Runs the batch once more with a hook on every module; a bad weight is named as such.
    """
    for name, p in model.named_parameters():
        if not torch.isfinite(p).all():
            return f"weight {name}"
    found: list[str] = []

    def look(name: str):
        def hook(module, args, output):
            outputs = output if isinstance(output, tuple) else (output,)
            if not all(torch.isfinite(t).all() for t in outputs if isinstance(t, Tensor)):
                found.append(name)

        return hook

    # An inner module ends before the one that holds it, so the first found is the innermost.
    hooks = [module.register_forward_hook(look(name)) for name, module in model.named_modules()]
    try:
        model(inputs, documents=documents)
    finally:
        for hook in hooks:
            hook.remove()
    return f"output of {found[0] or 'the whole model'}" if found else None
