"""Open a model's folder as `transformers` saves it, without running anything that is in it.

    config.json                                   which family, and its sizes
    model.safetensors                             the weights, or
    model-00001-of-0000n.safetensors, …           several files, and an index.json of what is where

Weights are read from safetensors alone: a `.bin` file is a pickle, and a pickle is a program.
"""

import json
import re
from pathlib import Path

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import AutoConfig, PreTrainedConfig

from course_lib.architecture.decoder import Decoder
from course_lib.architecture.families.interop import CLASSES
from course_lib.architecture.families.interop_configs import our_config
from course_lib.architecture.families.interop_weights import our_weights

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
HEAD = "lm_head.weight"
EXPERT = re.compile(r"(.*)\.block_sparse_moe\.experts\.(\d+)\.(w[123])\.weight")
# What transformers, and we, may meet in a config.json that says nonsense.
BROKEN = (
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    StrictDataclassError,
    TypeError,
    ValueError,
)
SAVED_AS = {kind.__name__ for kind in CLASSES.values()}


def load_folder(folder: Path | str) -> Decoder:
    """Our decoder with the folder's weights, in eval mode, in the type that they are saved in.

    Raises ValueError for what is no such folder: another family or class, a quantised export, a
    setting that we don't have, weights that are missing, too many or of another shape.
    """
    folder = Path(folder)
    theirs = read_config(folder)
    try:
        config = our_config(theirs)
        model = Decoder(config)
        ours = our_weights(_as_in_memory(_read_weights(folder), theirs.model_type), config)
    except BROKEN as error:
        raise ValueError(f"{folder}: {_line(error)}") from error
    types = {weight.dtype for weight in ours.values()}
    if len(types) > 1 or not all(kind.is_floating_point for kind in types):
        raise ValueError(f"{folder}: weights of {sorted(map(str, types))}, expected one float type")
    for name, weight in model.state_dict().items():
        if name in ours and ours[name].shape != weight.shape:
            raise ValueError(
                f"{folder}: {name} has shape {tuple(ours[name].shape)}, expected "
                f"{tuple(weight.shape)} by the sizes in config.json"
            )
    model = model.to(types.pop())
    model.load_state_dict(ours)
    return model.eval()


def read_config(folder: Path) -> PreTrainedConfig:
    """The folder's config.json. Raises ValueError where we can't have the model that it names."""
    file = folder / "config.json"
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except BROKEN as error:
        raise ValueError(f"{file}: no config that can be read ({_line(error)})") from error
    if quantised := raw.get("quantization_config"):
        method = quantised.get("quant_method") if isinstance(quantised, dict) else quantised
        raise ValueError(
            f"{file}: quantization_config is there ({method}), expected the weights as they were "
            "trained"
        )
    saved_as = raw.get("architectures") or []
    if saved_as and not (isinstance(saved_as, list) and SAVED_AS & set(map(str, saved_as))):
        raise ValueError(
            f"{file}: architectures is {saved_as}, expected one of {', '.join(sorted(SAVED_AS))}"
        )
    return config


def _line(error: Exception) -> str:
    """What an error says, on one line; a name alone, as of a KeyError, with its kind."""
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said}" if isinstance(error, LookupError) else said


def _as_in_memory(weights: dict[str, Tensor], kind: str) -> dict[str, Tensor]:
    """The names and layout that the class of `transformers` has once it is loaded.

    GPT-2's first files leave out `transformer.`; Mixtral's keep each expert's matrices apart.
    """
    if kind == "gpt2" and not any(name.startswith("transformer.") for name in weights):
        return {name if name == HEAD else f"transformer.{name}": w for name, w in weights.items()}
    if kind != "mixtral":
        return weights
    found: dict[str, Tensor] = {}
    experts: dict[str, dict[tuple[int, str], Tensor]] = {}
    for name, weight in weights.items():
        if match := EXPERT.fullmatch(name):
            experts.setdefault(match[1], {})[int(match[2]), match[3]] = weight
        else:
            found[name.replace("block_sparse_moe.gate", "mlp.gate")] = weight
    for layer, parts in experts.items():
        numbers = sorted({number for number, _ in parts})
        if len(parts) != 3 * len(numbers):
            raise ValueError(f"{layer}: an expert lacks one of w1, w2, w3")
        gate_up = [torch.cat((parts[n, "w1"], parts[n, "w3"])) for n in numbers]
        found[f"{layer}.mlp.experts.gate_up_proj"] = torch.stack(gate_up)
        found[f"{layer}.mlp.experts.down_proj"] = torch.stack([parts[n, "w2"] for n in numbers])
    return found


def _read_weights(folder: Path) -> dict[str, Tensor]:
    files = [folder / WEIGHTS]
    if not files[0].exists() and (folder / INDEX).exists():
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        places = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(places, dict) or not all(isinstance(n, str) for n in places.values()):
            raise ValueError(f"{INDEX}: expected a weight_map of tensors and their files")
        if outside := [name for name in places.values() if Path(name).name != name]:
            raise ValueError(f"{INDEX} names {outside[0]!r}, expected a file of this folder")
        files = [folder / name for name in sorted(set(places.values()))]
    weights: dict[str, Tensor] = {}
    for file in files:
        if not file.exists():
            raise ValueError(f"no {file.name}: expected weights in safetensors")
        try:
            with safe_open(file, framework="pt") as content:
                weights |= {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise ValueError(f"{file.name} can't be read ({error})") from error
    return weights
