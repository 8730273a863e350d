"""A model that others trained, by its path: the decoder, and the tokenizer that goes with it.

a folder      config.json, safetensors and tokenizer.json, as `transformers` saves them
NAME.gguf     one file with all of it, as llama.cpp reads it
"""

import json
from pathlib import Path

from course_lib.architecture.decoder import Decoder
from course_lib.architecture.families.folders import load_folder
from course_lib.architecture.families.gguf import read_gguf
from course_lib.architecture.families.gguf_llama import (
    decoder_of,
    tokenizer_config,
    tokenizer_json,
)
from course_lib.data.tokenization.byte_level import ByteLevelBPE
from course_lib.data.tokenization.templates import ChatTemplate
from course_lib.data.tokenization.voices import PublishedVoice

CONFIG, TEMPLATE = "tokenizer_config.json", "chat_template.jinja"
ROLES = ("bos_token", "eos_token", "unk_token", "pad_token")


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


def voice_of(path: Path | str, tokenizer: ByteLevelBPE) -> PublishedVoice:
    """How the model of that path is spoken to: its template, and the tokens that end a reply.

    Without a template it only continues a text. Raises ValueError for settings that name a token
    which the tokenizer lacks.
    """
    settings = _settings(Path(path))
    roles = {name: _spelled(settings.get(name)) for name in ROLES}
    roles = {name: token for name, token in roles.items() if token is not None}
    ends = [tokenizer.token_id(roles["eos_token"])] if "eos_token" in roles else []
    template = settings.get("chat_template")
    if isinstance(template, list):  # several by name; the one for plain chats
        named = {entry["name"]: entry["template"] for entry in template}
        template = named.get("default")
    chat = ChatTemplate(template, tokenizer, **roles) if template else None
    return PublishedVoice(tokenizer, chat, tuple(ends), _files(Path(path)))


def _files(path: Path) -> dict[str, str]:
    """The tokenizer's files, to be written elsewhere."""
    if path.suffix == ".gguf":
        file = read_gguf(path)
        made = {"tokenizer.json": tokenizer_json(file), CONFIG: tokenizer_config(file)}
        return {name: json.dumps(content, ensure_ascii=False) for name, content in made.items()}
    there = ("tokenizer.json", CONFIG, TEMPLATE, "special_tokens_map.json")
    return {n: (path / n).read_text(encoding="utf-8") for n in there if (path / n).exists()}


def _settings(path: Path) -> dict:
    if path.suffix == ".gguf":
        return tokenizer_config(read_gguf(path))
    file, template = path / CONFIG, path / TEMPLATE
    try:
        settings = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        if template.exists():  # where newer versions of transformers put it
            settings["chat_template"] = template.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ValueError(f"{file}: can't be read ({error})") from error
    return settings


def _spelled(token: str | dict | None) -> str | None:
    """A special token as it is spelled; older files keep it with its flags."""
    return token.get("content") if isinstance(token, dict) else token
