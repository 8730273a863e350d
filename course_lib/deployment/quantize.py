"""Weights in fewer bits: one scale a row, rounding to nearest, dequantised as they are used.

    scale_r = max_c |W_rc| / (2^(bits−1) − 1)        codes_rc = round(W_rc / scale_r)
    W ≈ scale_r · codes_rc        |error| ≤ scale_r / 2

This is symmetric, per-output-channel, weight-only quantisation; activations stay as they are.
Source: Jacob et al. 2018 (section 2), with the range −127…127 as for weights there, so that zero is
exact and the code −128 is never used. Embedding rows are rows too.

What this version does not do: calibrate on data (GPTQ, AWQ), use groups within a row, or pack two
4-bit codes into a byte (`size_bytes` counts what is really held).
"""

import copy
import json
from pathlib import Path

import torch
from jaxtyping import Float, Int8
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.architecture.decoder import Decoder, ModelConfig

FORMAT = "course rows 1"


def largest_code(bits: int) -> int:
    """2^(bits−1) − 1: 127 for 8 bits, 7 for 4, 1 for 2."""
    if not 2 <= bits <= 8:
        raise ValueError(f"bits is {bits}, expected 2 to 8")
    return 2 ** (bits - 1) - 1


def quantize_rows(
    weight: Float[Tensor, "rows columns"], bits: int = 8
) -> tuple[Int8[Tensor, "rows columns"], Float[Tensor, " rows"]]:
    """Codes and one scale a row. A row of zeros gets scale 1 (0 / 0 otherwise)."""
    largest = largest_code(bits)
    _check_matrix(weight)
    scale = weight.abs().amax(dim=1) / largest
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    codes = (weight / scale.unsqueeze(1)).round().clamp(-largest, largest)
    return codes.to(torch.int8), scale


def quantize_tensor(
    weight: Float[Tensor, "rows columns"], bits: int = 8
) -> tuple[Int8[Tensor, "rows columns"], Float[Tensor, " rows"]]:
    """The same with one scale for the whole matrix, repeated: the cheap idea that breaks first."""
    largest = largest_code(bits)
    _check_matrix(weight)
    scale = (weight.abs().max() / largest).clamp(min=torch.finfo(weight.dtype).tiny)
    codes = (weight / scale).round().clamp(-largest, largest)
    return codes.to(torch.int8), scale.expand(len(weight)).clone()


def _check_matrix(weight: Tensor) -> None:
    if weight.ndim != 2 or not weight.numel():
        raise ValueError(f"weight has shape {tuple(weight.shape)}, expected rows and columns")
    if not torch.isfinite(weight).all():
        raise ValueError("weight holds NaN or infinity, expected numbers: a scale can't hold them")


def dequantize(
    codes: Int8[Tensor, "rows columns"], scale: Float[Tensor, " rows"]
) -> Float[Tensor, "rows columns"]:
    return codes.to(scale.dtype) * scale.unsqueeze(1)


class QuantizedLinear(nn.Module):
    """x Wᵀ with W = scale · codes: the scale of a row multiplies that row's output,

        y_r = Σ_c x_c scale_r codes_rc = scale_r Σ_c x_c codes_rc,

    so the matrix of floats is never kept; `weight` builds it for whoever asks.
    """

    def __init__(self, codes: Int8[Tensor, "rows columns"], scale: Float[Tensor, " rows"]) -> None:
        super().__init__()
        self.out_features, self.in_features = codes.shape
        self.register_buffer("codes", codes)
        self.register_buffer("scale", scale)

    @property
    def weight(self) -> Float[Tensor, "rows columns"]:
        return dequantize(self.codes, self.scale)

    def forward(self, x: Float[Tensor, "*lead columns"]) -> Float[Tensor, "*lead rows"]:
        return F.linear(x, self.codes.to(x.dtype)) * self.scale


class QuantizedEmbedding(QuantizedLinear):
    """A table of rows; only the rows that are looked up become floats."""

    def forward(self, tokens: Tensor) -> Tensor:
        return self.codes[tokens].to(self.scale.dtype) * self.scale[tokens].unsqueeze(-1)


def quantize_model(model: Decoder, bits: int = 8, *, method=quantize_rows) -> Decoder:
    """A copy of the model with every Linear and Embedding quantised; norms stay in floats."""
    return _swapped(copy.deepcopy(model).eval(), lambda weight: method(weight, bits))


def _swapped(model: Decoder, quantize) -> Decoder:
    kinds = {nn.Linear: QuantizedLinear, nn.Embedding: QuantizedEmbedding}
    for name, layer in list(model.named_modules()):
        if type(layer) in kinds:
            if getattr(layer, "bias", None) is not None:
                raise ValueError(f"{name} has a bias, expected none: rows of int8 keep no place")
            parent, _, child = name.rpartition(".")
            codes, scale = quantize(layer.weight.detach())
            setattr(model.get_submodule(parent), child, kinds[type(layer)](codes, scale))
    return model


def size_bytes(model: nn.Module) -> int:
    """Bytes of everything that `save` writes: parameters and persistent buffers, once each."""
    return sum(tensor.nbytes for tensor in model.state_dict().values())


def save_quantized(model: Decoder, folder: Path | str, *, bits: int = 8) -> None:
    """Write `model.safetensors` (codes in int8, scales, norms) and `config.json`."""
    for name, layer in model.named_modules():
        if type(layer) in (nn.Linear, nn.Embedding) or hasattr(layer, "lora_a"):
            raise ValueError(
                f"{name} is a {type(layer).__name__}, expected a model of quantize_model, whose "
                "adapters were merged before"
            )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: t.detach().cpu().contiguous() for name, t in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors")
    about = {"format": FORMAT, "bits": bits, "model": model.config.to_dict()}
    (folder / "config.json").write_text(json.dumps(about, indent=2) + "\n")


def load_quantized(folder: Path | str) -> Decoder:
    """The model that `save_quantized` wrote: a Decoder whose matrices are int8, on the CPU."""
    folder = Path(folder)
    about = json.loads((folder / "config.json").read_text())
    if about.get("format") != FORMAT:
        raise ValueError(f"{folder} has format {about.get('format')!r}, expected {FORMAT!r}")
    model = Decoder(ModelConfig.from_dict(about["model"]))
    _swapped(model, lambda w: (torch.zeros(w.shape, dtype=torch.int8), torch.ones(len(w))))
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model.eval()
