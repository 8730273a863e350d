"""A published model beside ours: what its file holds, how near our logits are, what it knows.

SmolLM2-135M-Instruct (Ben Allal et al. 2025). Its page draws these figures: measured there where
the model was fetched, from the record elsewhere.
"""

import gc
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from course_lib import lineage
from course_lib.architecture.decoder import Decoder
from course_lib.architecture.families.folders import load_folder
from course_lib.architecture.families.gguf import read_gguf, unpack_nibbles
from course_lib.architecture.sampling.generate import generate
from course_lib.artifacts import Progress
from course_lib.data.recipe import read_documents
from course_lib.data.sources.source import source
from course_lib.data.tokenization.byte_level import ByteLevelBPE
from course_lib.data.tokenization.templates import ChatTemplate
from course_lib.evaluation.own_text import compression_of_texts, xz_bits_per_byte
from course_lib.experiments import experiment
from course_lib.pretraining.base.ngram import NGram

Encode = Callable[[str], Sequence[int]]
BLOCK_SHOWN = "blk.0.attn_q.weight"


@dataclass(frozen=True, kw_only=True)
class PublishedStudy:
    """Texts and questions; each question with what a right answer contains."""

    judged: int = 8_000  # characters of each kind of text
    longest: int = 2_000  # of one text
    read_before: int = 100_000  # characters that the n-grams and xz have read
    context: int = 256
    reply_tokens: int = 40
    questions: tuple[tuple[str, str], ...] = (
        ("What is the capital of France?", "Paris"),
        ("What is the chemical formula of water?", "H2O"),
        ("Translate 'good morning' into French.", "onjour"),
        ("Who wrote Romeo and Juliet?", "Shakespeare"),
        ("Write a Python expression for the length of the list xs.", "len(xs)"),
        ("What is 17 + 25? Answer with the number alone.", "42"),
        ("How many letters r are in the word strawberry?", "3"),
        ("Which is heavier: a kilogram of feathers or two kilograms of iron?", "two kilograms"),
    )


@experiment(config=PublishedStudy())
def run(config: PublishedStudy, work: Path, progress: Progress) -> dict:
    """All of it. Raises ValueError where the model was never fetched."""
    return figures(config, progress)


def figures(config: PublishedStudy, progress: Progress = lambda *_: None) -> dict:
    """What the page shows, measured now."""
    folder, file = lineage.published(), lineage.published_file()
    if folder is None or file is None:
        raise ValueError(lineage.PUBLISHED_MISSING)
    progress(0.0, "the file")
    found = {"file": contents(file)}
    progress(0.1, "logits")
    found["near"] = nearness(folder, config)
    gc.collect()
    model, tokenizer = load_folder(folder), ByteLevelBPE.load(folder)
    found["tokenizer"] = {"tokens": tokenizer.vocab_size, "missing": list(tokenizer.missing)}
    progress(0.4, "answers")
    found["answers"] = answers(model, chat_of(folder), config)
    progress(0.6, "bits a byte")
    found["bits"] = bits(model, tokenizer, config)
    found["parameters"] = sum(weight.numel() for weight in model.parameters())
    return found


def contents(path: Path) -> dict:
    """What lies where in the file, and one block of it taken apart."""
    file = read_gguf(path)
    parts: Counter[str] = Counter()
    types: Counter[str] = Counter()
    for info in file.tensors.values():
        parts[_part(info.name)] += info.bytes
        types[info.type.name] += info.bytes
    block = file.blocks(BLOCK_SHOWN)[:1]
    scale, low = block[0, :4].contiguous().view(torch.float16).tolist()
    return {
        "bytes": path.stat().st_size,
        "start": path.read_bytes()[:24].hex(" "),
        "version": file.version,
        "tensors": len(file.tensors),
        "data_start": file.data_start,
        "metadata": {key: _short(value) for key, value in file.metadata.items()},
        "parts": dict(parts),
        "types": dict(types),
        "block": {
            "bytes": block[0].numpy().tobytes().hex(" "),
            "scale": scale,
            "low": low,
            "steps": unpack_nibbles(block[:, 4:])[0].tolist(),
            "weights": file.tensor(BLOCK_SHOWN).flatten()[:32].tolist(),
        },
    }


@torch.inference_mode()
def nearness(folder: Path, config: PublishedStudy) -> dict:
    """The largest difference of a logit; and how far each is from ours in float64, as an rms."""
    chat = chat_of(folder)
    prompts = [
        torch.tensor([chat.ids([{"role": "user", "content": question}])])
        for question, _ in config.questions[:3]
    ]
    theirs = _logits(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), prompts)
    gc.collect()
    ours = load_folder(folder)
    mine = [ours(prompt) for prompt in prompts]
    exact = [ours.double()(prompt) for prompt in prompts]
    return {
        "scale": max(float(one.abs().max()) for one in mine),
        "apart": _apart(mine, theirs),
        "ours_from_float64": _rms(mine, exact),
        "theirs_from_float64": _rms(theirs, exact),
    }


def chat_of(folder: Path) -> ChatTemplate:
    """Its template, with its tokenizer."""
    hub = AutoTokenizer.from_pretrained(folder)
    return ChatTemplate(hub.chat_template, ByteLevelBPE.load(folder), **hub.special_tokens_map)


def answers(model: Decoder, chat: ChatTemplate, config: PublishedStudy) -> list[dict]:
    """Greedy replies, all questions in one batch; right: what must be in the answer is."""
    prompts = [
        chat.ids([{"role": "user", "content": question}], add_generation_prompt=True)
        for question, _ in config.questions
    ]
    end = chat.tokenizer.token_id("<|im_end|>")
    replies = generate(model, prompts, max_new_tokens=config.reply_tokens, stop_ids=[end])
    found = []
    for (question, wanted), reply in zip(config.questions, replies, strict=True):
        text = chat.tokenizer.decode(reply)
        found.append({"question": question, "reply": text, "right": wanted in text})
    return found


def bits(model: Decoder, tokenizer: ByteLevelBPE, config: PublishedStudy) -> list[dict]:
    """Bits a byte of two kinds of text: the interpreter's manual, and tales that we made up."""
    manual = [record.text for record in source("python_docs", kinds=("reference",))]
    tales = [record["text"] for record in read_documents(lineage.corpus(), "test")]
    end = tokenizer.token_id("<|endoftext|>")
    base, own = lineage.model("base"), lineage.tokenizer()
    rows = []

    def _bits(judge: Decoder, encode: Encode, texts: list[str]) -> float:
        return compression_of_texts(judge, encode, texts, context=config.context).bits_per_byte

    for name, texts in (("Python's manual", manual), ("our world", tales)):
        left = iter(texts)
        judged = _some(left, config.judged, config.longest)
        before = _some(left, config.read_before)
        count = sum(len(text.encode()) for text in judged)
        counts = NGram(5, 256).fit(list(text.encode()) for text in before)
        rows.append(
            {
                "text": name,
                "bytes": count,
                "published": _bits(model, lambda text: [end, *tokenizer.encode(text)], judged),
                "base": _bits(base, lambda text: [own.eos_id, *own.encode(text)], judged),
                "five-grams of bytes": sum(counts.nats(list(text.encode())) for text in judged)
                / math.log(2)
                / count,
                "xz": xz_bits_per_byte(judged, "".join(before)),
            }
        )
    return rows


def _some(texts: Iterator[str], characters: int, longest: int | None = None) -> list[str]:
    """The next texts, each cut where it is too long, until there are so many characters."""
    taken: list[str] = []
    while sum(map(len, taken)) < characters:
        taken.append(next(texts)[:longest])
    return taken


def _logits(model: torch.nn.Module, prompts: list[torch.Tensor]) -> list[torch.Tensor]:
    return [model.eval()(prompt).logits for prompt in prompts]


def _apart(one: list[torch.Tensor], other: list[torch.Tensor]) -> float:
    return max(
        float((a.double() - b.double()).abs().max()) for a, b in zip(one, other, strict=True)
    )


def _rms(one: list[torch.Tensor], other: list[torch.Tensor]) -> float:
    squares = [(a.double() - b).square().flatten() for a, b in zip(one, other, strict=True)]
    return float(torch.cat(squares).mean().sqrt())


def _part(name: str) -> str:
    if name.startswith("token_embd"):
        return "embedding"
    kinds = (("norm", "norms"), ("attn", "attention"), ("ffn", "feed-forward"))
    return next(part for mark, part in kinds if mark in name)


def _short(value: object) -> object:
    if isinstance(value, list | tuple):
        return f"{len(value):,} entries"
    return value if not isinstance(value, str) or len(value) < 60 else value[:57] + "…"
