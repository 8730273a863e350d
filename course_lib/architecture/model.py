"""The decoder of the course: the shape of Llama, small. One file holds the whole model.

Pre-norm blocks with RMSNorm, rotary positions (half-split), grouped-query attention, SwiGLU, no
biases anywhere, no dropout. Deviations from Llama: one matrix projects queries, keys and values
(the same numbers in one call), the head may share the embedding (`tied`), and a sliding window is
possible (as in Mistral). `interop` copies the weights to and from `transformers`.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.architecture.attention import attention, causal_mask, document_mask
from course_lib.architecture.ops import rms_norm, rope, rope_tables, swiglu


@runtime_checkable  # lets the type checker of the tests look for the two members
class Cache(Protocol):
    """What the decoder asks of a key-value cache; `attention.GrowingCache` is the simple one."""

    length: int

    def update(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Append the new keys and values of a layer; return all so far."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The sizes of a decoder. `sliding_window` None means full causal attention."""

    vocab_size: int
    d_model: int = 128
    n_layers: int = 4
    n_heads: int = 4
    n_kv_heads: int = 2
    d_ff: int = 344
    max_seq: int = 256
    rope_theta: float = 10_000.0
    norm_eps: float = 1e-5
    sliding_window: int | None = None
    tied: bool = True

    def __post_init__(self) -> None:
        sizes = ("vocab_size", "d_model", "n_layers", "n_heads", "n_kv_heads", "d_ff", "max_seq")
        for name in sizes:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected at least 1")
        if self.d_model % (2 * self.n_heads):
            raise ValueError(
                f"d_model is {self.d_model}, expected a multiple of {2 * self.n_heads} (RoPE "
                f"turns pairs, so each of the {self.n_heads} heads needs an even size)"
            )
        if self.n_heads % self.n_kv_heads:
            raise ValueError(
                f"n_kv_heads is {self.n_kv_heads}, expected a divisor of n_heads {self.n_heads}"
            )
        if self.sliding_window is not None and self.sliding_window < 1:
            raise ValueError(f"sliding_window is {self.sliding_window}, expected None or >= 1")

    @property
    def d_head(self) -> int:
        """Size of one head: d_model / n_heads."""
        return self.d_model // self.n_heads

    def to_dict(self) -> dict:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "ModelConfig":
        """The config that `to_dict` wrote; an unknown name is a TypeError."""
        return cls(**values)


class RMSNorm(nn.Module):
    """Holds the gain g of `ops.rms_norm`, one number a channel, 1 at the start."""

    def __init__(self, d_model: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(d_model))

    def forward(self, x: Float[Tensor, "*lead d_model"]) -> Float[Tensor, "*lead d_model"]:
        return rms_norm(x, self.weight, self.eps)


class Attention(nn.Module):
    """Project to queries, keys and values; turn the first two; attend; project back."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.n_heads, self.n_kv_heads = config.n_heads, config.n_kv_heads
        self.d_head = config.d_head
        n_all = config.n_heads + 2 * config.n_kv_heads
        self.qkv = nn.Linear(config.d_model, n_all * config.d_head, bias=False)
        self.out = nn.Linear(config.n_heads * config.d_head, config.d_model, bias=False)

    def forward(
        self,
        x: Float[Tensor, "batch seq d_model"],
        cos: Float[Tensor, "*any seq half"],
        sin: Float[Tensor, "*any seq half"],
        mask: Bool[Tensor, "*any_mask seq keys"] | None,
        cache: Cache | None = None,
    ) -> Float[Tensor, "batch seq d_model"]:
        heads = rearrange(self.qkv(x), "b seq (h d) -> b h seq d", d=self.d_head)
        qk, v = heads.split([self.n_heads + self.n_kv_heads, self.n_kv_heads], dim=1)
        q, k = rope(qk, cos, sin).split([self.n_heads, self.n_kv_heads], dim=1)
        if cache is not None:
            k, v = cache.update(self.layer, k, v)
        mixed = attention(q, k, v, mask)
        return self.out(rearrange(mixed, "b h seq d -> b seq (h d)"))


class MLP(nn.Module):
    """W_2 (SiLU(W x) * V x): each token by itself."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate = nn.Linear(config.d_model, config.d_ff, bias=False)
        self.up = nn.Linear(config.d_model, config.d_ff, bias=False)
        self.down = nn.Linear(config.d_ff, config.d_model, bias=False)

    def forward(self, x: Float[Tensor, "*lead d_model"]) -> Float[Tensor, "*lead d_model"]:
        return self.down(swiglu(self.gate(x), self.up(x)))


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)): each part adds to the residual stream."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.d_model, config.norm_eps)
        self.attention = Attention(config, layer)
        self.mlp_norm = RMSNorm(config.d_model, config.norm_eps)
        self.mlp = MLP(config)

    def forward(
        self,
        x: Float[Tensor, "batch seq d_model"],
        cos: Float[Tensor, "*any seq half"],
        sin: Float[Tensor, "*any seq half"],
        mask: Bool[Tensor, "*any_mask seq keys"] | None,
        cache: Cache | None = None,
    ) -> Float[Tensor, "batch seq d_model"]:
        x = x + self.attention(self.attention_norm(x), cos, sin, mask, cache)
        return x + self.mlp(self.mlp_norm(x))


class Decoder(nn.Module):
    """Token ids to next-token logits. Same `generator` state, same weights."""

    def __init__(self, config: ModelConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab_size, config.d_model)
        self.blocks = nn.ModuleList(Block(config, i) for i in range(config.n_layers))
        self.norm = RMSNorm(config.d_model, config.norm_eps)
        if not config.tied:
            self.head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        cos, sin = rope_tables(config.max_seq, config.d_head, config.rope_theta)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self._init_weights(generator)

    @torch.no_grad()
    def _init_weights(self, generator: torch.Generator | None) -> None:
        """N(0, 1 / d_in), so that a matrix keeps the scale of what it reads.

        The 2 n_layers matrices that write to the residual stream get less by the root of their
        number: their sum then keeps the variance of one (Radford et al. 2019, section 2.3). GPT-2
        and Llama use 0.02 throughout, which is near 1 / sqrt(d_in) at their widths; at d_model 128
        it is a quarter of that, and the course's model learned more slowly from it.
        """
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                writes = name.endswith(("attention.out.weight", "mlp.down.weight"))
                residual = 2 * self.config.n_layers if writes else 1
                weight.normal_(0.0, (weight.shape[1] * residual) ** -0.5, generator=generator)

    def forward(
        self,
        tokens: Int[Tensor, "batch seq"],
        *,
        documents: Int[Tensor, "batch seq"] | None = None,
        positions: Int[Tensor, "batch seq"] | None = None,
        mask: Bool[Tensor, "batch seq keys"] | None = None,
        cache: Cache | None = None,
    ) -> Float[Tensor, "batch seq vocab"]:
        """Logits in float32. See `hidden` for the arguments."""
        return self.unembed(
            self.hidden(tokens, documents=documents, positions=positions, mask=mask, cache=cache)
        )

    def hidden(
        self,
        tokens: Int[Tensor, "batch seq"],
        *,
        documents: Int[Tensor, "batch seq"] | None = None,
        positions: Int[Tensor, "batch seq"] | None = None,
        mask: Bool[Tensor, "batch seq keys"] | None = None,
        cache: Cache | None = None,
    ) -> Float[Tensor, "batch seq d_model"]:
        """The residual stream after the last block and norm.

        documents: tokens with the same id may see each other, looking back. positions: for RoPE;
        by default 0, 1, ... after what the cache holds. mask: True where a token may look, *instead
        of* the causal (and sliding, and document) mask. cache: extended in place.
        """
        past = 0 if cache is None else cache.length
        self._check(tokens, documents, positions, mask, past)
        cos, sin = self._angles(tokens.shape[1], positions, past)
        mask = self._mask(tokens, documents, mask, past)
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x, cos, sin, mask, cache)
        return self.norm(x)

    def unembed(self, h: Float[Tensor, "*lead d_model"]) -> Float[Tensor, "*lead vocab"]:
        """Logits of the next token: h times the head, which is the embedding where `tied`."""
        head = self.embed if self.config.tied else self.head
        return F.linear(h, head.weight).float()

    def _angles(self, seq: int, positions: Tensor | None, past: int) -> tuple[Tensor, Tensor]:
        if positions is None:
            return self.cos[past : past + seq], self.sin[past : past + seq]
        return self.cos[positions].unsqueeze(1), self.sin[positions].unsqueeze(1)

    def _mask(
        self, tokens: Tensor, documents: Tensor | None, mask: Tensor | None, past: int
    ) -> Tensor | None:
        window, seq = self.config.sliding_window, tokens.shape[1]
        if mask is not None:
            return mask
        if seq == 1 and (window is None or past < window):
            return None  # one new token sees all that came before it
        mask = causal_mask(seq, past + seq, window, device=tokens.device)
        return mask if documents is None else mask & document_mask(documents)

    def _check(
        self,
        tokens: Tensor,
        documents: Tensor | None,
        positions: Tensor | None,
        mask: Tensor | None,
        past: int,
    ) -> None:
        if tokens.ndim != 2 or tokens.is_floating_point():
            raise ValueError(
                f"tokens have shape {tuple(tokens.shape)} and dtype {tokens.dtype}, expected "
                "integers of shape (batch, seq)"
            )
        batch, seq = tokens.shape
        for name, given in (("documents", documents), ("positions", positions)):
            if given is not None and given.shape != tokens.shape:
                raise ValueError(
                    f"{name} have shape {tuple(given.shape)}, expected that of tokens, "
                    f"{(batch, seq)}"
                )
        if mask is not None and (mask.shape != (batch, seq, past + seq) or documents is not None):
            raise ValueError(
                f"mask has shape {tuple(mask.shape)}, expected {(batch, seq, past + seq)} "
                "(batch, seq, cached + seq), and no documents beside it"
            )
        if documents is not None and past:
            raise ValueError(f"documents with a cache that holds {past} tokens: expected a mask")
        if positions is None and past + seq > self.config.max_seq:
            raise ValueError(
                f"tokens have shape {(batch, seq)} after {past} cached ones, expected at most "
                f"max_seq = {self.config.max_seq} in all"
            )


def save_model(model: Decoder, folder: Path | str) -> None:
    """Write `model.safetensors` and `config.json` into `folder` (made if missing)."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: w.detach().cpu().contiguous() for name, w in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(model.config.to_dict(), indent=2) + "\n")


def load_model(folder: Path | str) -> Decoder:
    """The decoder that `save_model` wrote, on the CPU, in eval mode."""
    folder = Path(folder)
    config = ModelConfig.from_dict(json.loads((folder / "config.json").read_text()))
    model = Decoder(config)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model.eval()
