"""The adviser's bytes against counts of small models, and its order against plain arithmetic."""

import pytest
import torch
from typer.testing import CliRunner

from course_lib.architecture.accounting.activations import saved_bytes
from course_lib.architecture.accounting.formulas import count_parameters
from course_lib.architecture.accounting.published import published
from course_lib.architecture.accounting.sizes import sizes_of
from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.families.presets import PRESETS
from course_lib.cli.main import app
from course_lib.pretraining.memory.adviser import Setting, advise, need

LLAMA = published("Llama 3 8B").sizes
SMALL = ModelConfig(vocab_size=256, d_model=64, n_layers=3, n_heads=4, n_kv_heads=4, d_ff=160)


def test_sixteen_bytes_a_weight():
    found = need(LLAMA, Setting(batch=1, seq=128))
    n = count_parameters(LLAMA).total
    assert (found.weights, found.gradients, found.states) == (2 * n, 2 * n, 12 * n)


@pytest.mark.parametrize("batch", [1, 3])
def test_activations_are_what_autograd_keeps(batch):
    """Counted in fp32, the scores taken out, at half the bytes: within a tenth."""
    seq, model = 32, Decoder(SMALL)
    tokens = torch.zeros(batch, seq, dtype=torch.long)
    counted = saved_bytes(model, lambda: model.hidden(tokens))
    scores = 4 * SMALL.n_layers * SMALL.n_heads * batch * seq * seq
    said = need(sizes_of(SMALL), Setting(batch=batch, seq=seq))
    assert said.activations == pytest.approx((counted - scores) / 2, rel=0.1)


def test_recomputing_keeps_a_layers_input_and_one_layer():
    whole, again = (
        need(LLAMA, Setting(batch=2, seq=512, recompute=how)).activations for how in (False, True)
    )
    inputs = 2 * 512 * LLAMA.n_layers * 2 * LLAMA.d_model
    end = 2 * 512 * (2 * (3 * LLAMA.d_model + 1) + 8)  # the last norm, and the tokens' ids
    assert again - inputs - end == (whole - end) // LLAMA.n_layers


def test_whole_logits_and_shards_by_hand():
    one = need(LLAMA, Setting(batch=1, seq=100, chunked=False))
    assert one.logits == 10 * 100 * LLAMA.vocab_size
    eight = need(LLAMA, Setting(batch=1, seq=100, shards=8))
    n = count_parameters(LLAMA).total
    assert eight.states == -(-12 * n // 8) and eight.weights > 2 * n // 8


def test_adapters_are_as_many_as_peft_makes():
    peft = pytest.importorskip("peft")
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=256,
        hidden_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        intermediate_size=160,
    )
    model = peft.get_peft_model(
        LlamaForCausalLM(config), peft.LoraConfig(r=16, target_modules="all-linear")
    )
    made = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert need(sizes_of(SMALL), Setting(batch=1, seq=8, lora=True)).gradients == 2 * made


@pytest.mark.parametrize("family", ["gpt2", "mixtral", "qwen3", "deepseek"])
def test_every_matrix_but_routers_has_an_adapter(family):
    config = PRESETS[family](vocab_size=64)
    numbers = 0
    for name, part in Decoder(config).named_modules():
        if isinstance(part, torch.nn.Linear) and not name.endswith("router"):
            inputs = 3 if name.endswith("qkv") else 1  # ours makes q, k and v with one matrix
            numbers += 16 * (inputs * part.in_features + part.out_features)
    found = need(sizes_of(config), Setting(batch=1, seq=8, lora=True))
    assert found.gradients == 2 * numbers


@pytest.mark.parametrize(
    ("name", "memory", "devices", "remedy"),
    [
        ("Qwen3 0.6B", 180e9, 1, "as asked"),
        ("Qwen3 0.6B", 80e9, 1, "batch"),
        ("Qwen3 0.6B", 16e9, 1, "checkpointing"),
        ("Llama 3 8B", 80e9, 8, "sharding"),
        ("Llama 3 8B", 24e9, 1, "LoRA"),
        ("Llama 3 8B", 19e9, 1, "length"),
    ],
)
def test_the_first_remedy_that_fits_is_the_advice(name, memory, devices, remedy):
    ladder = advise(published(name).sizes, memory, Setting(batch=8, seq=8192), devices=devices)
    assert ladder[-1].remedy == remedy and ladder[-1].fits
    assert not any(rung.fits for rung in ladder[:-1])
    assert ladder[-1].need.total <= 0.9 * memory
    names = ["as asked", "batch", "checkpointing", "sharding", "LoRA", "length"]
    order = [names.index(rung.remedy) for rung in ladder]
    assert order == sorted(order)


def test_the_batch_is_the_largest_that_fits():
    sizes = published("Qwen3 0.6B").sizes
    at = advise(sizes, 80e9, Setting(batch=8, seq=8192), devices=1)[-1].setting
    more = need(sizes, Setting(batch=at.batch + 1, seq=8192)).total
    assert need(sizes, at).total <= 72e9 < more


def test_nothing_helps_a_giant_on_one_small_card():
    ladder = advise(published("Llama 3 405B").sizes, 16e9, Setting(batch=1, seq=2048), devices=1)
    assert not ladder[-1].fits and ladder[-1].remedy == "length"


def test_the_command_prints_the_ladder_and_names_a_typo():
    run = CliRunner().invoke
    shown = run(app, ["plan", "Llama 3 8B", "--device", "H100", "--seq", "8192"])
    assert shown.exit_code == 0 and "sharding" in shown.output and "fits" in shown.output
    assert run(app, ["plan", "Llama 3 405B", "--device", "16", "--devices", "1"]).exit_code == 1
    odd = run(app, ["plan", "Llama 3 8B", "--device", "TPU"])
    assert odd.exit_code == 2 and "'TPU'" in odd.output and "H200" in odd.output
    wrong = run(app, ["plan", "Llama 9"])
    assert wrong.exit_code == 2 and "'Llama 9'" in wrong.output and "Gemma 2B" in wrong.output


def test_refusals_name_the_value():
    with pytest.raises(ValueError, match="batch=0"):
        Setting(batch=0, seq=1)
    with pytest.raises(ValueError, match=r"memory=0\.0"):
        advise(LLAMA, 0.0, Setting(batch=1, seq=1))
