"""Recipe of the artifact `published`: SmolLM2-135M-Instruct as a folder that everyone opens.

A GGUF file goes in; out come `config.json` and `model.safetensors` as `transformers` names them,
in float32, and its tokenizer. `folders.load_folder` and `AutoModelForCausalLM.from_pretrained`
read it alike.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from course_lib.architecture.families.gguf import read_gguf
from course_lib.architecture.families.gguf_llama import (
    decoder_of,
    tokenizer_config,
    tokenizer_json,
)
from course_lib.architecture.families.interop import to_transformers

Progress = Callable[[float, str], None]


@dataclass(frozen=True, kw_only=True)
class PublishedConfig:
    """There is nothing to choose: the file says it all."""

    name: str = "SmolLM2-135M-Instruct"


def build_published(
    config: PublishedConfig, parents: dict[str, Path], out: Path, work: Path, progress: Progress
) -> dict[str, float]:
    """Writes the folder from the parent's `model.gguf`. Its figures: parameters."""
    progress(0.0, "reading the GGUF file")
    file = read_gguf(parents["published_file"] / "model.gguf")
    model = decoder_of(file)
    progress(0.5, "writing safetensors")
    to_transformers(model, eos_id=file.metadata["tokenizer.ggml.eos_token_id"]).save_pretrained(out)
    for name, content in (
        ("tokenizer.json", tokenizer_json(file)),
        ("tokenizer_config.json", tokenizer_config(file)),
    ):
        (out / name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return {"parameters": float(sum(weight.numel() for weight in model.parameters()))}
