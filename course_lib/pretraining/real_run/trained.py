"""What a run has trained: its model, from its newest whole checkpoint, and its tokenizer."""

import json
import shutil
from pathlib import Path

from safetensors.torch import load_file

from course_lib.architecture.config import ModelConfig
from course_lib.architecture.decoder import Decoder
from course_lib.data.tokenization.tokenizer import Tokenizer
from course_lib.pretraining.checkpoints.folders import MODEL, STATE, latest_valid
from course_lib.pretraining.real_run.parallel import load_whole

TOKENIZER = "tokenizer.json"
CHECKPOINTS = "checkpoints"


def is_run(folder: Path) -> bool:
    """Whether it is the folder of a run."""
    return (folder / CHECKPOINTS).is_dir()


def load_run(folder: Path) -> Decoder:
    """The model in eval mode, with the weights of the newest checkpoint that is whole.

    Saved by one process, or in parts by many. Raises ValueError where there is none of a run.
    """
    path = latest_valid(folder / CHECKPOINTS)
    if path is None:
        raise ValueError(f"{folder}: no whole checkpoint in {CHECKPOINTS}")
    told = json.loads((path / STATE).read_text(encoding="utf-8")).get("config")
    if told is None:
        raise ValueError(f"{path} was saved by train() itself: it doesn't say its model's sizes")
    sizes = {k.removeprefix("model."): v for k, v in told.items() if k.startswith("model.")}
    model = Decoder(ModelConfig.from_dict(sizes))
    if (path / MODEL).exists():
        model.load_state_dict(load_file(path / MODEL))
    else:
        load_whole(path, model)
    return model.eval()


def run_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer that the run's shards were made with. Raises ValueError where none was kept."""
    if not (folder / TOKENIZER).exists():
        raise ValueError(
            f"{folder}: no {TOKENIZER}; put there the one that its shards were made with"
        )
    return Tokenizer.load(folder / TOKENIZER)


def keep_tokenizer(tokens: Path, folder: Path) -> None:
    """Put the shards' tokenizer, if they have one, beside the run: without it a model is mute."""
    if (tokens / TOKENIZER).exists() and not (folder / TOKENIZER).exists():
        shutil.copyfile(tokens / TOKENIZER, folder / TOKENIZER)
