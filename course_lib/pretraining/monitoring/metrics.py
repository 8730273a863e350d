"""What to measure while a model trains: gradients, updates, layers, tokens a second, memory.

`Watch` looks at a model from outside, by hooks, so that no loop has to know of it::

    watch = Watch(model)
    train(model, ..., on_log=lambda log: rows.append(watch.measure()))
    watch.close()
"""

import time
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from course_lib import measure
from course_lib.architecture.accounting.formulas import training_flops
from course_lib.architecture.config import ModelConfig
from course_lib.architecture.ops import at_least_float32


def norm(tensors: Iterable[Tensor]) -> float:
    """The length of all numbers taken as one vector: the root of the sum of squares; 0 of none."""
    return sum((float(at_least_float32(t.detach()).square().sum()) for t in tensors), 0.0) ** 0.5


def rms(x: Tensor) -> float:
    """Root of the mean square: the typical size of an entry, however many there are."""
    return float(at_least_float32(x.detach()).square().mean().sqrt())


def zero_share(x: Tensor) -> float:
    """The share of entries that are exactly 0."""
    return float((x == 0).float().mean())


def update_ratio(before: Sequence[Tensor], after: Sequence[Tensor]) -> float:
    """|θ' − θ| / |θ|: how far one step moved the weights, as a share of their length.

    About 1e-3 is the rule of thumb (notes of Stanford CS231n, "Neural Networks Part 3"): a tenth
    of it learns slowly, ten times it is unstable. Raises ValueError where all weights were 0.
    """
    length = norm(before)
    if length == 0:
        raise ValueError("weights are all 0 before the step: no length to set the move against")
    return norm([b - a for a, b in zip(before, after, strict=True)]) / length


def mfu(config: ModelConfig, seq: int, tokens_per_second: int | float, peak: int | float) -> float:
    """Model FLOPs utilisation: the FLOPs that the model needs a second, over what the device can.

    Source: Chowdhery et al. 2022 (PaLM), appendix B. ``peak`` is in FLOPs a second, from the data
    sheet of the device or from `matmul_rate`. Raises ValueError where it isn't above 0.
    """
    if not peak > 0:
        raise ValueError(f"peak={peak}: expected FLOPs a second above 0")
    return training_flops(config, seq, seq) / seq * tokens_per_second / peak


def matmul_rate(device: torch.device, size: int = 512, seconds: float = 0.2) -> float:
    """FLOPs a second of a square float32 product on a device: a peak to hold a run against."""
    a = torch.randn(size, size, device=device)
    a @ a
    measure.synchronize(device)
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        a @ a
        measure.synchronize(device)
        count += 1
    return 2 * size**3 * count / (time.perf_counter() - began)


def memory_mb(device: torch.device) -> float:
    """Peak memory so far in MB (2**20 bytes): the device's own on a GPU, else the process's."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return measure.peak_memory_mb()


class Throughput:
    """Tokens a second since the last call of `rate`, by the wall clock."""

    def __init__(self, device: torch.device, clock=time.perf_counter) -> None:
        self.device, self.clock, self.tokens, self.since = device, clock, 0, clock()

    def add(self, tokens: int) -> None:
        """Count a batch. Raises ValueError for a negative number."""
        if tokens < 0:
            raise ValueError(f"tokens={tokens}: expected a count of at least 0")
        self.tokens += tokens

    def rate(self) -> float:
        """Tokens a second of the stretch that ends now; the next one begins."""
        measure.synchronize(self.device)  # a GPU works on after the call returned
        now = self.clock()
        rate = self.tokens / max(now - self.since, 1e-9)
        self.tokens, self.since = 0, now
        return rate


class Watch:
    """Statistics of every layer of a model in training.

    A layer is a module that holds weights of its own. Before each training step's forward pass the
    weights are copied; `measure`, called after the optimizer's step and before the gradients are
    cleared, compares. Each layer gives::

        <layer>/weight_rms    /update_ratio     |θ' − θ| / |θ|, 0 where θ was and stayed 0
        <layer>/grad_norm     /grad_zeros       share of the gradient's entries that are exactly 0
        <layer>/output_rms    /output_grad_rms  what it passes on, and the gradient it gets back

    and the whole model ``grad_norm``, ``weight_norm`` and ``update_ratio``. Gradients are as the
    loop left them: after clipping where it clips.
    """

    def __init__(self, model: nn.Module) -> None:
        self.layers = {
            name or "model": module
            for name, module in model.named_modules()
            if next(module.parameters(recurse=False), None) is not None
        }
        if not self.layers:
            raise ValueError(f"{type(model).__name__} has no weights: there is nothing to watch")
        self.before: dict[str, list[Tensor]] = {}
        self.seen: dict[str, float] = {}
        self.hooks = [model.register_forward_pre_hook(self._copy)]
        for name, layer in self.layers.items():
            self.hooks.append(layer.register_forward_hook(self._look(name)))

    def close(self) -> None:
        """Take the hooks off again."""
        for hook in self.hooks:
            hook.remove()

    def measure(self) -> dict[str, float]:
        """All statistics of the step just done. Raises ValueError where there was none."""
        if not self.before:
            raise ValueError("no training step was seen: call measure() after one")
        found = dict(self.seen)
        for name, layer in self.layers.items():
            found |= {f"{name}/{key}": v for key, v in self._layer(name, layer).items()}
        old = [w for weights in self.before.values() for w in weights]
        new = [w for layer in self.layers.values() for w in layer.parameters(recurse=False)]
        found["grad_norm"] = norm(w.grad for w in new if w.grad is not None)
        found["weight_norm"] = norm(new)
        found["update_ratio"] = update_ratio(old, [w.detach() for w in new])
        return found

    def _layer(self, name: str, layer: nn.Module) -> dict[str, float]:
        new = [w.detach() for w in layer.parameters(recurse=False)]
        grads = [w.grad for w in layer.parameters(recurse=False) if w.grad is not None]
        moved = norm(after - before for before, after in zip(self.before[name], new, strict=True))
        length, count = norm(self.before[name]), sum(w.numel() for w in new)
        return {
            "weight_rms": norm(new) / count**0.5,
            "update_ratio": moved / length if length else float(moved > 0),
            "grad_norm": norm(grads),
            "grad_zeros": sum(zero_share(g) * g.numel() for g in grads) / count if grads else 1.0,
        }

    def _copy(self, model: nn.Module, inputs: tuple) -> None:
        if model.training and torch.is_grad_enabled():
            self.seen = {}
            self.before = {
                name: [w.detach().clone() for w in layer.parameters(recurse=False)]
                for name, layer in self.layers.items()
            }

    def _look(self, name: str):
        def hook(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            if not (module.training and torch.is_grad_enabled() and isinstance(output, Tensor)):
                return
            self.seen[f"{name}/output_rms"] = rms(output)
            if output.requires_grad:
                output.register_hook(
                    lambda grad: self.seen.update({f"{name}/output_grad_rms": rms(grad)})
                )

        return hook
