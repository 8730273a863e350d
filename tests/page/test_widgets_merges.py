import json
import shutil
import subprocess

import pytest

from course_lib.data.sources.source import source
from course_lib.data.tokenization.tokenizer import train_bpe
from course_lib.page import widgets
from course_lib.page.widgets.merges import merge_data

TEXTS = [
    "Mia walks to the mill. 12 345",
    "  été 日本 😀\t\n\n'll don't",
    "",
    "mill" * 9,
    "a\u00a0\ufeffb",
]


@pytest.mark.skipif(not shutil.which("node"), reason="Node isn't here: apt-get install nodejs")
def test_the_playground_encodes_as_the_tokenizer_does():
    tokenizer = train_bpe([r.text for r in source("world", n=200)], 500)
    data = merge_data(tokenizer, "the mill")
    program = (
        f"const widget = {widgets.script('merges').strip().removesuffix(';')};\n"
        f"const data = {json.dumps(data)};\n"
        f"const out = {json.dumps(TEXTS)}.map(t => widget.encode(t, data));\n"
        "process.stdout.write(JSON.stringify(out))"
    )
    done = subprocess.run(["node", "-"], input=program, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [tokenizer.encode(text) for text in TEXTS]
    assert len(tokenizer.encode(TEXTS[0])) < len(TEXTS[0])


def test_names_are_visible_and_another_pattern_is_refused():
    tokenizer = train_bpe(["the the é"], 270)
    data = merge_data(tokenizer, "the")
    assert data["names"][tokenizer.encode("the")[0]] == "the"
    assert data["names"][data["bytes"][0]] == "‹00›" and data["names"][data["bytes"][32]] == "·"
    with pytest.raises(ValueError, match="pattern 'gpt2': the playground"):
        merge_data(train_bpe(["a b"], 262, "gpt2"), "a")
