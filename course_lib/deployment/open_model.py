"""A model that others trained, by its path: the decoder, and the tokenizer that goes with it.

a folder      config.json, safetensors and tokenizer.json, as `transformers` saves them
NAME.gguf     one file with all of it, as llama.cpp reads it
"""

from pathlib import Path

from course_lib.architecture.decoder import Decoder
from course_lib.architecture.families.folders import load_folder
from course_lib.architecture.families.gguf import read_gguf
from course_lib.architecture.families.gguf_llama import decoder_of, tokenizer_json
from course_lib.data.tokenization.byte_level import ByteLevelBPE


def open_model(path: Path | str) -> tuple[Decoder, ByteLevelBPE]:
    """The decoder in eval mode, and its tokenizer.

    A GGUF file's weights come in float32. Raises ValueError for what is neither, for a family,
    class or tokenizer that we don't have, and where the two don't belong together.
    """
    path = Path(path)
    if path.is_dir():
        tokenizer, model = ByteLevelBPE.load(path), load_folder(path)
    elif path.suffix == ".gguf" and path.exists():
        file = read_gguf(path)
        tokenizer, model = ByteLevelBPE(tokenizer_json(file), str(path)), decoder_of(file)
    else:
        raise ValueError(f"{path}: expected a folder of transformers or a .gguf file")
    if tokenizer.vocab_size > model.config.vocab_size:
        raise ValueError(
            f"{path}: the tokenizer's ids go to {tokenizer.vocab_size - 1}, expected less than the "
            f"{model.config.vocab_size} that the model has"
        )
    return model, tokenizer
