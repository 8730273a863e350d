"""The fast path of pretraining: the same step as `train.train`, arranged for speed.

The mathematics is the plain path's (`architecture.ops`), and so are the weights: `fast_loss` reads
them out of a `Decoder`. Only the arrangement differs:

1. One graph. The loss and its gradients are compiled with static shapes: the element-wise work
   between two matrix products becomes one loop over the memory.
2. Attention is written out on a CPU, a block of queries at a time, against the keys that the block
   can see. torch's kernel saves memory that small rows don't need; on a GPU we call it.
3. The head takes its loss on some rows at a time, and their gradients while the logits are still in
   the cache. The whole matrix of logits, tokens x vocabulary, never exists.
4. Micro-batches of few tokens, so that a block's activations stay in the cache.
5. One fused call of AdamW moves all weights.
6. The allocator keeps its pages (`keep_pages`): else each large tensor is mapped and cleared anew.

What the plain path can do beyond this (biases, LayerNorm, other positions, experts, latent
attention, caches) is refused by name.
"""

import ctypes
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.architecture.blocks.feedforward import ACTIVATIONS, MLP, SwiGLU
from course_lib.architecture.blocks.layers import Attention
from course_lib.architecture.config import ModelConfig
from course_lib.architecture.decoder import Decoder
from course_lib.architecture.ops import at_least_float32, rms_norm, rope, swiglu
from course_lib.pretraining.loop.train import StepLog, TrainConfig
from course_lib.pretraining.loss import IGNORE, Batch, document_ids
from course_lib.pretraining.optimizers.adamw import param_groups

LossFn = Callable[[Tensor, Tensor, Tensor | None], Tensor]


@dataclass(frozen=True, kw_only=True)
class FastConfig:
    """How a step is arranged. No choice changes the loss, but by rounding.

    micro_tokens: tokens of a micro-batch at most (a whole row at least). query_blocks: 0 takes
    torch's attention kernel. head_rows: rows of logits at a time; 0 makes them all at once.
    """

    micro_tokens: int = 1024
    query_blocks: int = 2
    head_rows: int = 512
    compile: bool = True
    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        for name, least in (("micro_tokens", 1), ("query_blocks", 0), ("head_rows", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least {least}")
        if self.dtype not in (torch.float32, torch.bfloat16):
            raise ValueError(f"dtype={self.dtype}: expected torch.float32 or torch.bfloat16")


def fast_config(device: torch.device, vocab: int) -> FastConfig:
    """The arrangement that we measured to be best on such a device.

    bfloat16 where the chip multiplies it natively. Few logits a row are made all at once.
    """
    if device.type == "cuda":
        sizes = {"micro_tokens": 65_536, "query_blocks": 0, "head_rows": 8192}
        return FastConfig(dtype=torch.bfloat16, **sizes)
    return FastConfig(head_rows=512 if vocab > 1024 else 0, dtype=native_format())


def native_format() -> torch.dtype:
    """bfloat16 where this CPU has instructions for it (AVX512-BF16 or AMX), else float32."""
    has = torch.cpu.get_capabilities()
    native = has.get("avx512_bf16", False) or has.get("amx_bf16", False)
    return torch.bfloat16 if native else torch.float32


def keep_pages() -> bool:
    """Tell glibc's allocator to keep what is freed; True where it did (glibc on Linux).

    By default it maps large blocks anew each time, and the kernel clears each page of them at
    first touch. The process then holds on to the largest amount that it ever used.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return False
    trim_threshold, top_pad, mmap_max = -1, -2, -4  # names of malloc.h
    settings = ((mmap_max, 0), (trim_threshold, 2**31 - 1), (top_pad, 64 * 2**20))
    return all(mallopt(name, value) == 1 for name, value in settings)


class HeadLoss(torch.autograd.Function):
    r"""Sum of -log p(target), with its gradients made in the same pass over the logits.

    For logits z = W h of a row with target y: L = logsumexp(z) - z_y, and
    ∂L/∂z = softmax(z) - e_y; rows whose target is IGNORE count 0. From it ∂L/∂h and ∂L/∂W are made
    at once, so `backward` only multiplies. Source: the idea is Liger Kernel's (Hsu et al. 2024);
    ours is plain torch.
    """

    @staticmethod
    def forward(
        ctx,
        hidden: Float[Tensor, "tokens d_model"],
        head: Float[Tensor, "vocab d_model"],
        targets: Int[Tensor, " tokens"],
        rows: int,
    ) -> Float[Tensor, ""]:
        loss, by_head, by_hidden = 0.0, torch.zeros_like(head), []
        for h, wanted in zip(hidden.split(rows), targets.split(rows), strict=True):
            logits = at_least_float32(F.linear(h, head))
            kept, picked = (wanted != IGNORE)[:, None], wanted.clamp(min=0)[:, None]
            normaliser = logits.logsumexp(-1, keepdim=True)
            loss = loss + (normaliser - logits.gather(-1, picked)).where(kept, 0.0).sum()
            hit = torch.arange(len(head), device=head.device) == picked
            slope = (logits - normaliser).exp() - hit.to(logits.dtype)
            by_logits = slope.where(kept, 0.0).to(hidden.dtype)
            by_hidden.append(by_logits @ head)
            by_head = by_head + by_logits.t() @ h
        ctx.save_for_backward(torch.cat(by_hidden).to(hidden.dtype), by_head.to(head.dtype))
        return loss

    @staticmethod
    def backward(ctx, upstream: Float[Tensor, ""]):
        by_hidden, by_head = ctx.saved_tensors
        return by_hidden * upstream, by_head * upstream, None, None


def fast_loss(
    model: Decoder,
    config: FastConfig,
    tokens: Int[Tensor, "batch seq"],
    targets: Int[Tensor, "batch seq"],
    documents: Int[Tensor, "batch seq"] | None = None,
) -> Float[Tensor, ""]:
    """Sum, in nats, of the loss over the targets that aren't IGNORE (`loss.cross_entropy` times n).

    documents: as in `Decoder.forward`, tokens of one document see each other.
    """
    x = F.embedding(tokens, model.embed.weight)
    x = fast_hidden(model, config, x, documents).flatten(0, 1)
    head = (model.embed if model.config.tied else model.head).weight
    if config.head_rows:
        return HeadLoss.apply(x, head, targets.flatten(), config.head_rows)
    logits = at_least_float32(F.linear(x, head))
    return F.cross_entropy(logits, targets.flatten(), ignore_index=IGNORE, reduction="sum")


def fast_hidden(
    model: Decoder,
    config: FastConfig,
    x: Float[Tensor, "batch seq d_model"],
    documents: Int[Tensor, "batch seq"] | None = None,
) -> Float[Tensor, "batch seq d_model"]:
    """`Decoder.hidden` from the embedded tokens on. Raises ValueError for what it doesn't do."""
    _require_known(model.config)
    seq, eps = x.shape[1], model.config.norm_eps
    cos, sin = model.cos[:seq], model.sin[:seq]
    visible = None
    if config.query_blocks or documents is not None:
        places = torch.arange(seq, device=x.device)
        visible = (places <= places[:, None])[None]
        if documents is not None:
            visible = visible & (documents[:, None] == documents[:, :, None])
    for block in model.blocks:
        normed = rms_norm(x, block.attention_norm.weight, eps)
        x = x + _attention(block.attention, config, normed, cos, sin, visible)
        x = x + _feed_forward(block.mlp, rms_norm(x, block.mlp_norm.weight, eps))
    return rms_norm(x, model.norm.weight, eps)


KNOWN = {
    "position": ("rope",),
    "norm": ("rms",),
    "wiring": ("pre",),
    "mlp": tuple({"swiglu", *ACTIVATIONS}),
    "sliding_window": (None,),
    "latent": (None,),
    "bias": (False,),
}


def _require_known(config: ModelConfig) -> None:
    for name, options in KNOWN.items():
        if getattr(config, name) not in options:
            raise ValueError(
                f"{name} is {getattr(config, name)!r}: the fast step knows {options} alone; "
                "use pretraining.loop.train"
            )


def _attention(
    part: Attention, config: FastConfig, x: Tensor, cos: Tensor, sin: Tensor, visible: Tensor | None
) -> Tensor:
    """`layers.Attention`, whose queries and keys are made in the layout that the products want."""
    batch, seq, _ = x.shape
    heads = F.linear(x, part.qkv.weight).view(batch, seq, -1, part.d_head).transpose(1, 2)
    q, k, v = heads.split([part.n_heads, part.n_kv_heads, part.n_kv_heads], dim=1)
    if part.q_norm is not None:
        q = rms_norm(q, part.q_norm.weight, part.q_norm.eps)
        k = rms_norm(k, part.k_norm.weight, part.k_norm.eps)
    q, k = rope(q, cos, sin), rope(k, cos, sin)
    if config.query_blocks:
        mixed = blocked_attention(q, k, v, visible, config.query_blocks)
    else:
        mask = None if visible is None else visible[:, None]
        mixed = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=mask is None, enable_gqa=True
        )
    return F.linear(mixed.transpose(1, 2).reshape(batch, seq, -1), part.out.weight)


def blocked_attention(
    q: Float[Tensor, "batch n_heads seq d_head"],
    k: Float[Tensor, "batch n_kv_heads seq d_head"],
    v: Float[Tensor, "batch n_kv_heads seq d_head"],
    visible: Bool[Tensor, "#batch seq seq"],
    n_blocks: int,
) -> Float[Tensor, "batch n_heads seq d_head"]:
    """Causal softmax(Q K^T / sqrt(d_head)) V, for the queries of one block after the other.

    A block that ends at place e meets the keys before e alone: n blocks compute (n + 1) / 2n of
    the scores. Query heads that share a key head become rows of one product.
    """
    batch, kv, seq, d_head = k.shape
    q = (q * d_head**-0.5).view(batch, kv, -1, seq, d_head)
    groups, size, mixed = q.shape[2], -(-seq // n_blocks), []
    for start in range(0, seq, size):
        end = min(start + size, seq)
        rows = q[:, :, :, start:end].reshape(batch, kv, -1, d_head)
        scores = (rows @ k[:, :, :end].mT).view(batch, kv, groups, end - start, end)
        forbidden = ~visible[:, None, None, start:end, :end]
        weights = scores.masked_fill(forbidden, float("-inf")).softmax(-1)
        weights = weights.to(v.dtype).view(batch, kv, -1, end)
        mixed.append((weights @ v[:, :, :end]).view(batch, kv, groups, end - start, d_head))
    return torch.cat(mixed, dim=3).flatten(1, 2)


def _feed_forward(part: SwiGLU | MLP, x: Tensor) -> Tensor:
    up = F.linear(x, part.up.weight)
    if isinstance(part, SwiGLU):
        return F.linear(swiglu(F.linear(x, part.gate.weight), up), part.down.weight)
    return F.linear(ACTIVATIONS[part.activation](up), part.down.weight)


def fast_loss_of(model: Decoder, config: FastConfig) -> LossFn:
    """`fast_loss` of this model as a function of (tokens, targets, documents), compiled if asked.

    Raises ValueError that names what of the model's config only the plain path can do.
    """
    wanted = {
        "norm": "rms",
        "wiring": "pre",
        "position": "rope",
        "bias": False,
        "latent": None,
        "sliding_window": None,
    }
    for name, value in wanted.items():
        if getattr(model.config, name) != value:
            raise ValueError(f"{name}={getattr(model.config, name)!r}: the fast path has {value!r}")
    if model.config.mlp == "moe":
        raise ValueError("mlp='moe': the fast path has 'swiglu', 'gelu' and 'relu2'")
    loss = partial(fast_loss, model, config)
    return torch.compile(loss, dynamic=False, fullgraph=True) if config.compile else loss


def gradients(
    loss_of: LossFn,
    config: FastConfig,
    inputs: Int[Tensor, "batch seq"],
    targets: Int[Tensor, "batch seq"],
    documents: Int[Tensor, "batch seq"] | None = None,
) -> Float[Tensor, ""]:
    """Mean loss of the batch, its gradients added to the weights', a micro-batch at a time.

    Each micro-batch's sum is divided by the whole batch's tokens, so that a token weighs the same
    wherever it falls.
    """
    rows, kept = max(1, config.micro_tokens // inputs.shape[1]), (targets != IGNORE).sum()
    mixed = config.dtype == torch.bfloat16
    total = torch.zeros((), device=inputs.device)
    for start in range(0, len(inputs), rows):
        part = slice(start, start + rows)
        seen = None if documents is None else documents[part]
        with torch.autocast(inputs.device.type, config.dtype) if mixed else nullcontext():
            loss = loss_of(inputs[part], targets[part], seen) / kept
        loss.backward()
        total += loss.detach()
    return total


def fast_train(
    model: Decoder,
    batch_at: Callable[[int], Batch],
    config: TrainConfig,
    *,
    eos_id: int | None = None,
    fast: FastConfig | None = None,
) -> list[StepLog]:
    """`train.train` by the fast path: same batches, schedule and clipping; a log line each step.

    It keeps no checkpoints: a run of hours belongs to the plain path.
    """
    where = next(model.parameters()).device
    fast = fast or fast_config(where, model.config.vocab_size)
    loss_of, logs, tokens, began = fast_loss_of(model, fast), [], 0, time.perf_counter()
    groups, betas = param_groups(model, config.weight_decay), (config.beta1, config.beta2)
    optimizer = torch.optim.AdamW(groups, lr=config.lr, betas=betas, fused=True)
    keep_pages()
    for step in range(config.steps):
        inputs, targets = (tensor.to(where) for tensor in batch_at(step))
        rate = config.rate(step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        loss = gradients(loss_of, fast, inputs, targets, document_ids(inputs, eos_id))
        norm = nn.utils.clip_grad_norm_(model.parameters(), config.clip, foreach=True)
        optimizer.step()
        tokens += int((targets != IGNORE).sum())
        logs.append(
            StepLog(
                step=step + 1,
                tokens=tokens,
                loss=loss.item(),
                lr=rate,
                grad_norm=norm.item(),
                seconds=time.perf_counter() - began,
            )
        )
    return logs
