"""`course chat --model`: any model that a path or a name leads to."""

import pytest
from typer.testing import CliRunner

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.families.interop import to_transformers
from course_lib.cli.main import app
from course_lib.data.tokenization.tokenizer import Tokenizer

runner = CliRunner()


def test_a_folder_of_transformers_answers_each_line(tmp_path):
    config = ModelConfig(vocab_size=260, d_model=16, n_layers=1, n_heads=2, n_kv_heads=1, d_ff=24)
    to_transformers(Decoder(config)).save_pretrained(tmp_path)
    Tokenizer([]).to_transformers().save_pretrained(tmp_path)
    result = runner.invoke(app, ["chat", "--model", str(tmp_path)], input="Hello\nAgain\n")
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 2


@pytest.mark.parametrize("command", ["chat", "serve"])
@pytest.mark.parametrize("where", ["nowhere", "bsae"])
def test_a_name_that_is_nothing_is_refused_with_what_would_be_accepted(command, where):
    result = runner.invoke(app, [command, "--model", where])
    assert result.exit_code == 2
    assert repr(where) in result.output and "published" in result.output


def test_a_folder_without_a_model_is_refused_by_its_path(tmp_path):
    result = runner.invoke(app, ["chat", "--model", str(tmp_path)], input="Hello\n")
    assert result.exit_code == 2 and str(tmp_path) in result.output.replace("\n", "")
