"""Two published small trainers' models, plainly: what we measure the fast path against.

nanoGPT's (GPT-2: learned positions, LayerNorm, GELU, the head tied to the embedding) and nanochat's
(RoPE, RMSNorm without gains, queries and keys normalised, squared ReLU, a head of its own, logits
squeezed by 15 tanh(z / 15)): the architectures that these projects publish, in our words. Each
takes (tokens, targets) and gives the mean loss; attention is torch's causal kernel, as in both.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Shape:
    """Sizes of a benchmark: model, row length and rows a step."""

    name: str
    d_model: int
    n_layers: int
    n_heads: int
    seq: int
    vocab: int
    batch: int

    @property
    def tokens(self) -> int:
        """Tokens of one step."""
        return self.batch * self.seq

    @property
    def d_gated(self) -> int:
        """Width of a gated block with the weights of a plain one of 4 d_model: near 8/3 d_model."""
        return 8 * round(self.d_model / 3)


class GPTBlock(nn.Module):
    """LayerNorm, attention, LayerNorm, GELU block, without biases (nanoGPT's `bias=False`)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        d = shape.d_model
        self.heads = shape.n_heads
        self.norm1, self.norm2 = nn.LayerNorm(d, bias=False), nn.LayerNorm(d, bias=False)
        self.qkv, self.out = nn.Linear(d, 3 * d, bias=False), nn.Linear(d, d, bias=False)
        self.up, self.down = nn.Linear(d, 4 * d, bias=False), nn.Linear(4 * d, d, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, seq, d = x.shape
        parts = self.qkv(self.norm1(x)).split(d, dim=2)
        q, k, v = (p.view(batch, seq, self.heads, -1).transpose(1, 2) for p in parts)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, seq, d))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class NanoGPTShaped(nn.Module):
    """GPT-2 as nanoGPT trains it; N(0, 0.02), less for what writes to the stream."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed = nn.Embedding(shape.vocab, shape.d_model)
        self.positions = nn.Embedding(shape.seq, shape.d_model)
        self.blocks = nn.ModuleList(GPTBlock(shape) for _ in range(shape.n_layers))
        self.norm = nn.LayerNorm(shape.d_model, bias=False)
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                writes = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(weight, std=0.02 / (math.sqrt(2 * shape.n_layers) if writes else 1))

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        x = self.embed(tokens) + self.positions.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.embed.weight).float()
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def _rms(x: Tensor) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],))


class ChatBlock(nn.Module):
    """RMSNorm without gains, RoPE and normalised queries and keys, squared ReLU."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        d = shape.d_model
        self.heads = shape.n_heads
        self.q, self.k, self.v, self.out = (nn.Linear(d, d, bias=False) for _ in range(4))
        self.up, self.down = nn.Linear(d, 4 * d, bias=False), nn.Linear(4 * d, d, bias=False)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.down.weight)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, seq, d = x.shape
        normed = _rms(x)
        q, k, v = (p(normed).view(batch, seq, self.heads, -1) for p in (self.q, self.k, self.v))
        q, k = (_rms(self._turn(p, cos, sin)).transpose(1, 2) for p in (q, k))
        mixed = F.scaled_dot_product_attention(q, k, v.transpose(1, 2), is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, seq, d))
        return x + self.down(F.relu(self.up(_rms(x))).square())

    @staticmethod
    def _turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        a, b = x.chunk(2, dim=-1)
        return torch.cat((a * cos + b * sin, b * cos - a * sin), dim=-1)


class NanochatShaped(nn.Module):
    """The decoder that nanochat trains, in its first published form."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed = nn.Embedding(shape.vocab, shape.d_model)
        self.blocks = nn.ModuleList(ChatBlock(shape) for _ in range(shape.n_layers))
        self.head = nn.Linear(shape.d_model, shape.vocab, bias=False)
        nn.init.zeros_(self.head.weight)
        d_head = shape.d_model // shape.n_heads
        rates = 10_000.0 ** (-torch.arange(0, d_head, 2) / d_head)
        angles = torch.outer(torch.arange(shape.seq), rates)[:, None]
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        x = _rms(self.embed(tokens))
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        logits = 15 * torch.tanh(self.head(_rms(x)).float() / 15)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())
