"""What one training step of the decoder holds in memory, predicted from its sizes and measured.

A step holds four things of the model's size (weights, gradients, two optimizer moments) and two of
the batch's (what the forward pass keeps for the backward one, and the logits). The most is held
either when the backward pass begins, with all activations and three tensors of the logits' size,
or when it ends, with all gradients.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from course_lib.architecture.accounting.activations import activation_bytes
from course_lib.architecture.accounting.formulas import count_parameters
from course_lib.architecture.accounting.peak_memory import PeakMemory
from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.ops import at_least_float32
from course_lib.pretraining.optimizers.adamw import AdamW

LOGIT_COPIES = 3  # log-probabilities, their gradient, and the gradient of the logits


@dataclass(frozen=True, kw_only=True)
class StepMemory:
    """Bytes of one step by part."""

    weights: int
    gradients: int
    states: int
    activations: int  # kept from the forward pass for the backward one
    logits: int  # all copies of the logits' size that are alive at once
    again: int  # one layer, computed again in the backward pass, and its gradients
    update: int  # temporaries of the optimizer, of the size of the largest weight

    @property
    def standing(self) -> int:
        """What is there between steps: weights and optimizer states."""
        return self.weights + self.states

    @property
    def peak(self) -> int:
        """The most at once: the backward pass's start, a layer made again, or the update."""
        backward = self.activations + max(self.logits, self.again)
        return self.standing + max(backward, self.gradients + self.update)


def step_memory(
    config: ModelConfig, *, batch: int, seq: int, recompute: bool = False, chunked: bool = False
) -> StepMemory:
    """One step of AdamW in fp32 on batch × seq tokens, attention's scores written out.

    With ``recompute`` each layer keeps its input alone, and one layer's activations at a time are
    made again, with their gradients beside them (Chen et al. 2016, section 4); of experts, whose
    gradients outweigh a layer's input, those of all later layers are there when the first layer is
    made again. With ``chunked`` cross-entropy the logits are never whole: what is left are the
    gradients of the head and of the hidden states, twice. The layers' share is `activation_bytes`,
    which says what it refuses. Within a tenth of the count for every family of `families.presets`.
    """
    kept, tokens = activation_bytes(config, seq, batch), batch * seq
    n = 4 * count_parameters(config).total
    hidden, head = 4 * tokens * config.d_model, 4 * config.vocab_size * config.d_model
    activations, again = kept.total, 0
    if recompute:
        activations = kept.end + config.n_layers * hidden
        experts = 4 * config.n_experts * 3 * config.d_model * config.d_ff
        later = (config.n_layers - 1) * max(0, experts - hidden)  # gradients, less inputs
        again = kept.layer + hidden + 2 * 4 * tokens * config.d_ff + head + later
    return StepMemory(
        weights=n,
        gradients=n,
        states=2 * n,
        activations=activations,
        logits=2 * (head + hidden) if chunked else LOGIT_COPIES * 4 * tokens * config.vocab_size,
        again=again,
        update=2 * 4 * _largest_weight(config),
    )


def _largest_weight(config: ModelConfig) -> int:
    with torch.device("meta"):
        return max(weight.numel() for weight in Decoder(config).parameters())


def measured_step(
    config: ModelConfig, *, batch: int, seq: int, recompute: str = "", chunk: int = 0, seed: int = 0
) -> tuple[int, float]:
    """Peak bytes of the second step of AdamW, and its loss. The first step makes the states.

    recompute: "", "ours" or "torch". chunk: tokens at a time in the cross-entropy, 0 for all.
    """
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, seq + 1)
    tokens = torch.randint(config.vocab_size, shape, generator=generator)
    with PeakMemory() as memory:
        model = Decoder(config, generator=generator)
        if recompute:
            recompute_blocks(model, recompute)
        optimizer = AdamW(model.parameters(), lr=1e-3)
        for _ in range(2):
            memory.peak = memory.live
            loss = training_loss(model, tokens, chunk)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        peak = memory.peak
    return peak, loss.item()


def training_loss(
    model: Decoder, tokens: Int[Tensor, "batch length"], chunk: int = 0
) -> Float[Tensor, ""]:
    """Mean cross-entropy of the next token; the logits whole, or ``chunk`` tokens at a time."""
    inputs, targets = tokens[:, :-1], tokens[:, 1:]
    if not chunk:
        return F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
    head = model.embed.weight if model.config.tied else model.head.weight
    return chunked_cross_entropy(model.hidden(inputs).flatten(0, 1), head, targets.flatten(), chunk)


class ChunkedCrossEntropy(torch.autograd.Function):
    """Mean of -log softmax(h Wᵀ)[target], a chunk of tokens at a time. See the function below."""

    @staticmethod
    def forward(ctx, hidden: Tensor, head: Tensor, targets: Tensor, chunk: int) -> Tensor:
        count = (targets >= 0).sum().clamp(min=1)
        total = at_least_float32(hidden.new_zeros(()))
        d_hidden, d_head = torch.empty_like(hidden), torch.zeros_like(head)
        for start in range(0, len(hidden), chunk):
            rows = slice(start, start + chunk)
            kept = targets[rows] >= 0
            wanted = targets[rows].clamp(min=0).unsqueeze(1)
            logits = at_least_float32(hidden[rows] @ head.T)
            log_sum = logits.logsumexp(1, keepdim=True)
            total += (log_sum - logits.gather(1, wanted)).squeeze(1).where(kept, 0.0).sum()
            slope = logits.sub_(log_sum).exp_()  # softmax, in the logits' own memory
            slope.scatter_add_(1, wanted, -torch.ones_like(wanted, dtype=slope.dtype))
            slope *= (kept.to(slope.dtype) / count).unsqueeze(1)
            slope = slope.to(hidden.dtype)
            d_hidden[rows] = slope @ head
            d_head.addmm_(slope.T, hidden[rows])
        ctx.save_for_backward(d_hidden, d_head)
        return total / count

    @staticmethod
    def backward(ctx, upstream: Tensor):
        d_hidden, d_head = ctx.saved_tensors
        return d_hidden * upstream, d_head * upstream, None, None


def chunked_cross_entropy(
    hidden: Float[Tensor, "tokens d_model"],
    head: Float[Tensor, "vocab d_model"],
    targets: Int[Tensor, " tokens"],
    chunk: int = 256,
) -> Float[Tensor, ""]:
    """Cross-entropy from hidden states; only chunk × vocab logits exist at a time.

    The gradient of a logit is softmax - onehot, over the number of targets. So the forward pass can
    make each chunk's share of dL/dh and dL/dW at once and forget the logits. Negative targets don't
    count, as -100 in torch. Deviation from `F.cross_entropy`: gradients are made in the forward
    pass, wanted or not. Source: the identity is textbook; the fusion is that of Liger (Hsu et al.
    2024, section 3.2).
    """
    if chunk < 1:
        raise ValueError(f"chunk={chunk}: expected at least 1 token")
    return ChunkedCrossEntropy.apply(hidden, head, targets, chunk)


class Recompute(torch.autograd.Function):
    """Run a layer and keep its input alone; run it again when its gradient is wanted.

    The layer must be deterministic: with dropout it would need the generator's state as well,
    which torch.utils.checkpoint keeps. Source: Chen et al. 2016, algorithm 1, one layer a segment.
    """

    @staticmethod
    def forward(ctx, x: Tensor, layer: nn.Module, *rest) -> Tensor:
        ctx.save_for_backward(x)
        ctx.layer, ctx.rest = layer, rest
        with torch.no_grad():
            return layer(x, *rest)

    @staticmethod
    def backward(ctx, upstream: Tensor):
        (x,) = ctx.saved_tensors
        again = x.detach().requires_grad_(True)
        with torch.enable_grad():
            out = ctx.layer(again, *ctx.rest)
        torch.autograd.backward(out, upstream)  # the layer's weights get their gradients here
        return again.grad, None, *(None for _ in ctx.rest)


class Checkpointed(nn.Module):
    """A layer that is computed twice and remembered never, by our function or by torch's."""

    def __init__(self, layer: nn.Module, by: str) -> None:
        super().__init__()
        if by not in ("ours", "torch"):
            raise ValueError(f"by={by!r}: expected 'ours' or 'torch'")
        self.layer, self.by = layer, by

    def forward(self, x: Float[Tensor, "batch seq d_model"], *rest):
        if not torch.is_grad_enabled():
            return self.layer(x, *rest)
        if self.by == "ours":
            return Recompute.apply(x, self.layer, *rest)
        return checkpoint(self.layer, x, *rest, use_reentrant=False)


def recompute_blocks(model: Decoder, by: str = "ours") -> Decoder:
    """Wrap each block of ``model``, in place. The weights stay the same objects."""
    model.blocks = nn.ModuleList(Checkpointed(block, by) for block in model.blocks)
    return model
