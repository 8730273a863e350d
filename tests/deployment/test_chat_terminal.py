"""The terminal guide through a pipe and at a terminal, and the recipe that makes its model."""

import io
import json

import pytest
import torch
from rich.console import Console

from course_lib.architecture.decoder import save_model
from course_lib.data.tokenization.voices import CourseVoice
from course_lib.deployment.chat.terminal import chat
from course_lib.deployment.engine import Engine, Sampling
from course_lib.deployment.quantize import load_quantized, quantize_model, save_quantized
from course_lib.deployment.recipe import QuantizedConfig, build_quantized

QUESTION = "Where does Baben live?"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def folder(model, tmp_path):
    save_quantized(quantize_model(model), tmp_path / "quantized")
    return tmp_path / "quantized"


def talk(folder, tokenizer, source, *, terminal=False):
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=80, highlight=False)
    chat(load_quantized(folder), CourseVoice(tokenizer), source=source, console=console)
    return out.getvalue()


def test_a_pipe_gets_one_answer_a_question_and_nothing_else(folder, tokenizer):
    printed = talk(folder, tokenizer, io.StringIO(f"{QUESTION}\n\n{QUESTION}\n"))
    engine = Engine(load_quantized(folder), CourseVoice(tokenizer))
    prompt = engine.chat_prompt([{"role": "user", "content": QUESTION}])
    answer = engine.answer(prompt, Sampling(max_tokens=256))
    assert answer.strip()
    assert printed == f"{' '.join(answer.split())}\n" * 2


def test_a_terminal_gets_a_welcome_and_commands(folder, tokenizer):
    printed = talk(
        folder,
        tokenizer,
        Terminal(f"/again\n{QUESTION}\n/again\n/nope\n/quit\nmore\n"),
        terminal=True,
    )
    assert "It knows nothing else" in " ".join(printed.replace("│", " ").split())
    assert "There is no command /again" in printed
    assert "There is no command /nope" in printed
    assert printed.count("guide ›") == 2


def test_a_long_question_is_refused_in_words(folder, tokenizer):
    assert "this model reads 127 at most" in talk(folder, tokenizer, io.StringIO("x" * 300 + "\n"))


def test_a_line_that_is_no_text_is_refused_in_words_and_the_next_is_answered(folder, tokenizer):
    lines = talk(folder, tokenizer, io.StringIO(f"Hi \udcff\n/\udcff\n{QUESTION}\n")).splitlines()
    assert lines[0].startswith("Character ") and lines[0].endswith("is no text; send UTF-8.")
    assert "There is no command /\\udcff" in lines[1]
    assert len(lines) == 3 and lines[2]


def test_markup_in_an_answer_is_shown_as_it_is(folder, tokenizer):
    assert "/[b]" in talk(folder, tokenizer, io.StringIO("/[b]\n"))


def test_recipe_writes_a_small_model_and_its_damage(model, tokenizer, tmp_path):
    for name in ("aligned", "tokenizer", "corpus", "out", "work"):
        (tmp_path / name).mkdir()
    save_model(model, tmp_path / "aligned")
    tokenizer.save(tmp_path / "tokenizer" / "tokenizer.json")
    lines = [json.dumps({"text": f"Baben lives in Oakby {i}."}) + "\n" for i in range(5)]
    (tmp_path / "corpus" / "validation.jsonl").write_text("".join(lines))
    parents = {name: tmp_path / name for name in ("aligned", "tokenizer", "corpus")}
    figures = build_quantized(
        QuantizedConfig(documents=3),
        parents,
        tmp_path / "out",
        tmp_path / "work",
        lambda fraction, text: None,
    )
    assert 3 < figures["compression"] < 4
    assert figures["first_choice_agreement"] > 0.8
    ratio = figures["nats_per_token_after"] / figures["nats_per_token_before"]
    assert ratio == pytest.approx(1, abs=0.05) and ratio != 1
    assert load_quantized(tmp_path / "out").embed.codes.dtype == torch.int8


@pytest.mark.parametrize("wrong", [{"bits": 1}, {"documents": 0}])
def test_recipe_checks_its_config(wrong):
    with pytest.raises(ValueError, match="expected"):
        QuantizedConfig(**wrong)
