"""The decoder of the course. With the defaults of `ModelConfig` it has the shape of Llama, small.

Pre-norm blocks with RMSNorm, rotary positions (half-split), grouped-query attention, SwiGLU, no
biases anywhere, no dropout: that is what the course trains. The config's other choices make it
GPT-2, Mistral, Mixtral, Qwen3 or a decoder with DeepSeek's latent attention (see `families`);
`interop` copies the weights of each to and from `transformers`. The choices are made where a part
is built, in `layers`; this file wires the parts.
"""

import json
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.architecture.attention.dot_product import Cache, Mask
from course_lib.architecture.attention.masks import causal_mask, document_mask
from course_lib.architecture.blocks.layers import make_attention, make_mlp, make_norm
from course_lib.architecture.config import ModelConfig
from course_lib.architecture.ops import at_least_float32, rope_tables
from course_lib.architecture.positions import alibi_bias, sinusoidal_table

# The matrices that write to the residual stream, by the end of their names.
WRITES = ("attention.out.weight", ".down.weight")


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)): each part adds to the residual stream.

    "post" normalises the sum instead (Vaswani et al. 2017, section 3.1); "parallel" gives both
    parts the same norm(x), as GPT-J and PaLM do (Chowdhery et al. 2022, section 2).
    """

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.wiring = config.wiring
        self.attention_norm = make_norm(config, config.d_model)
        self.attention = make_attention(config, layer)
        if config.wiring != "parallel":
            self.mlp_norm = make_norm(config, config.d_model)
        self.mlp = make_mlp(config)

    def forward(
        self,
        x: Float[Tensor, "batch seq d_model"],
        cos: Float[Tensor, "*any seq half"] | None,
        sin: Float[Tensor, "*any seq half"] | None,
        mask: Mask | None,
        cache: Cache | None = None,
    ) -> Float[Tensor, "batch seq d_model"]:
        if self.wiring == "post":
            x = self.attention_norm(x + self.attention(x, cos, sin, mask, cache))
            return self.mlp_norm(x + self.mlp(x))
        normed = self.attention_norm(x)
        if self.wiring == "parallel":
            return x + self.attention(normed, cos, sin, mask, cache) + self.mlp(normed)
        x = x + self.attention(normed, cos, sin, mask, cache)
        return x + self.mlp(self.mlp_norm(x))


class Decoder(nn.Module):
    """Token ids to next-token logits. Same `generator` state, same weights."""

    def __init__(self, config: ModelConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab_size, config.d_model)
        if config.position == "learned":
            self.positions = nn.Embedding(config.max_seq, config.d_model)
        self.blocks = nn.ModuleList(Block(config, i) for i in range(config.n_layers))
        self.norm = make_norm(config, config.d_model)
        if not config.tied:
            self.head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        if config.position == "rope":
            cos, sin = rope_tables(config.max_seq, config.d_rope, config.rope_theta)
            self.register_buffer("cos", cos, persistent=False)
            self.register_buffer("sin", sin, persistent=False)
        elif config.position == "sinusoidal":
            # The paper multiplies embeddings by the root of d_model; dividing the table by it gives
            # the same sum in the scale that every other variant starts from.
            table = sinusoidal_table(config.max_seq, config.d_model) / config.d_model**0.5
            self.register_buffer("table", table, persistent=False)
        self._init_weights(generator)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.norm.weight.device

    @torch.no_grad()
    def _init_weights(self, generator: torch.Generator | None) -> None:
        """N(0, 1 / d_in), so that a matrix keeps the scale of what it reads; biases 0.

        The 2 n_layers matrices that write to the residual stream get less by the root of their
        number: their sum then keeps the variance of one (Radford et al. 2019, section 2.3). GPT-2
        and Llama use 0.02 throughout, which is near 1 / sqrt(d_in) at their widths; at d_model 128
        it is a quarter of that, and the course's model learned more slowly from it.
        """
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                residual = 2 * self.config.n_layers if name.endswith(WRITES) else 1
                weight.normal_(0.0, (weight.shape[1] * residual) ** -0.5, generator=generator)
            elif name.endswith("bias"):
                weight.zero_()

    def forward(
        self,
        tokens: Int[Tensor, "batch seq"],
        *,
        documents: Int[Tensor, "batch seq"] | None = None,
        positions: Int[Tensor, "batch seq"] | None = None,
        mask: Bool[Tensor, "batch seq keys"] | None = None,
        cache: Cache | None = None,
        logits: bool = True,
    ) -> Float[Tensor, "batch seq vocab_or_d_model"]:
        """Logits in float32; without `logits`, the residual stream after the last block and norm.

        documents: tokens with the same id may see each other, looking back. positions: by default
        0, 1, ... after what the cache holds (ALiBi takes no others: it counts the tokens between).
        mask: True where a token may look, *instead of* the causal (and sliding, and document) mask.
        cache: extended in place.
        """
        past = 0 if cache is None else cache.length
        self._check(tokens, documents, positions, mask, past)
        where = slice(past, past + tokens.shape[1]) if positions is None else positions
        x = self._embed(tokens, where)
        cos, sin = self._angles(where)
        mask = self._mask(tokens, documents, mask, past)
        for block in self.blocks:
            x = block(x, cos, sin, mask, cache)
        h = self.norm(x)
        return self.unembed(h) if logits else h

    def hidden(
        self, tokens: Int[Tensor, "batch seq"], **seen: Tensor | Cache | None
    ) -> Float[Tensor, "batch seq d_model"]:
        """The forward pass without the head, for those who want few of its logits, or none."""
        return self.forward(tokens, logits=False, **seen)

    def unembed(self, h: Float[Tensor, "*lead d_model"]) -> Float[Tensor, "*lead vocab"]:
        """Logits of the next token: h times the head, which is the embedding where `tied`."""
        head = self.embed if self.config.tied else self.head
        return at_least_float32(F.linear(h, head.weight))

    def _embed(self, tokens: Tensor, where: slice | Tensor) -> Tensor:
        """A vector for each token, and its place added where the config adds one."""
        x = self.embed(tokens)
        if self.config.position == "learned":
            return x + self.positions.weight[where]
        if self.config.position == "sinusoidal":
            return x + self.table[where]
        return x

    def _angles(self, where: slice | Tensor) -> tuple[Tensor, Tensor] | tuple[None, None]:
        """cos and sin of each place, with an axis for the heads; None where nothing turns."""
        if self.config.position != "rope":
            return None, None
        if isinstance(where, slice):
            return self.cos[where], self.sin[where]
        return self.cos[where].unsqueeze(1), self.sin[where].unsqueeze(1)

    def _mask(
        self, tokens: Tensor, documents: Tensor | None, mask: Tensor | None, past: int
    ) -> Tensor | None:
        """Who sees whom: given, or causal, sliding and by document; None for everyone."""
        window, seq = self.config.sliding_window, tokens.shape[1]
        sees_all = seq == 1 and (window is None or past < window)  # one new token, all before it
        if mask is None and not sees_all:
            mask = causal_mask(seq, past + seq, window, device=tokens.device)
            if documents is not None:
                mask = mask & document_mask(documents)
        if self.config.position != "alibi":
            return mask
        bias = alibi_bias(self.config.n_heads, seq, past + seq).to(tokens.device)
        return bias if mask is None else bias.masked_fill(~mask.unsqueeze(-3), float("-inf"))

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
        self._check_range("tokens", tokens, self.config.vocab_size)
        if positions is not None and self.config.position != "alibi":
            self._check_range("positions", positions, self.config.max_seq)
        if positions is None and past + seq > self.config.max_seq:
            raise ValueError(
                f"tokens have shape {(batch, seq)} after {past} cached ones, expected at most "
                f"max_seq = {self.config.max_seq} in all"
            )

    def _check_range(self, name: str, given: Tensor, size: int) -> None:
        """On the CPU alone: a GPU would have to stop for the answer, and asserts by itself."""
        if given.device.type != "cpu" or torch.compiler.is_compiling() or not given.numel():
            return
        low, high = given.aminmax()
        if low < 0 or high >= size:
            raise ValueError(
                f"{name} go from {low.item()} to {high.item()}, expected 0 to {size - 1}"
            )


def require_plain(model: nn.Module) -> None:
    """Raise ValueError where a layer was swapped for one that `Decoder(config)` doesn't have.

    What is written or exported is read back by the config alone: adapters and integer matrices
    would be lost on the way, or stop whoever loads it.
    """
    for name, layer in model.named_modules():
        home = type(layer).__module__
        if not home.startswith(("torch.nn.", "course_lib.architecture.")):
            raise ValueError(
                f"{name} is a {type(layer).__name__}, expected a plain layer: merge adapters "
                "(merge_lora) first, and write integer matrices with save_quantized"
            )


def save_model(model: Decoder, folder: Path | str) -> None:
    """Write `model.safetensors` and `config.json` into `folder` (made if missing)."""
    require_plain(model)
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
