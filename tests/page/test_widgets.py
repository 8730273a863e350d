"""The interactive pictures compute what the package computes: their functions, run by an engine."""

import json
import os
import shutil
import subprocess
from dataclasses import asdict, replace

import pytest
import torch

from course_lib.architecture.accounting.activations import gpt_activation_bytes
from course_lib.architecture.accounting.formulas import (
    count_parameters,
    forward_flops,
    kv_cache_bytes,
)
from course_lib.architecture.accounting.published import PUBLISHED, published
from course_lib.architecture.accounting.sizes import Sizes, sizes_of
from course_lib.architecture.families.presets import PRESETS
from course_lib.architecture.sampling.filters import Filters
from course_lib.page import widgets


def javascript(expression: str) -> object:
    """The JSON value of an expression: by Node where there is one, else by Chromium."""
    if shutil.which("node"):
        program = f"process.stdout.write(JSON.stringify({expression}))"
        return json.loads(
            subprocess.run(
                ["node", "-"], input=program, capture_output=True, text=True, check=True
            ).stdout
        )
    chromium = os.environ.get("COURSE_CHROMIUM") or shutil.which("chromium")
    if not chromium:
        pytest.skip("neither Node nor Chromium is here: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        args = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = play.chromium.launch(executable_path=chromium, args=args)
        value = browser.new_page().evaluate(f"() => ({expression})")
        browser.close()
    return value


SETTINGS = [
    {"temperature": 1.0},
    {"temperature": 0.4},
    {"temperature": 1.0, "top_k": 5},
    {"temperature": 1.0, "top_p": 0.7},
    {"temperature": 1.0, "min_p": 0.2},
    {"temperature": 1.7, "top_k": 20, "top_p": 0.9, "min_p": 0.05},
]


def test_the_sampler_filters_as_the_package_does():
    logits = torch.randn(3, 60) * torch.tensor([[0.5], [2.0], [6.0]])
    asked, want = [], []
    for row in logits:
        for s in SETTINGS:
            options = {
                "temperature": s["temperature"],
                "topK": s.get("top_k", 60),
                "topP": s.get("top_p", 1),
                "minP": s.get("min_p", 0),
            }
            asked.append([row.tolist(), options])
            want.append(Filters(**s)(row.double().unsqueeze(0)).softmax(-1)[0])
    script = widgets.script("sampler")
    got = javascript(f"((w) => {json.dumps(asked)}.map(([l, s]) => w.filtered(l, s)))({script})")
    assert len(got) == 18 and all((p > 0).sum() < 60 for p in want[2:6])
    for ours, theirs in zip(want, got, strict=True):
        assert torch.allclose(ours, torch.tensor(theirs, dtype=torch.float64), atol=1e-12)


def test_the_calculator_computes_what_the_package_computes():
    """Published models and ours, short and long rows, in Python and in the page's own script."""
    runs = [
        {"seq": seq, "batch": 3, "bytes": 2, "tokens": 7, "recompute": how, "causal": causal}
        for seq, how, causal in (
            (100, "nothing", False),
            (8192, "attention", True),
            (9000, "everything", False),
            (1, "nothing", True),
        )
    ]
    models = [model.sizes for model in PUBLISHED]
    models += [sizes_of(preset(vocab_size=61)) for preset in PRESETS.values()]
    models += [replace(published("DeepSeek-V3").sizes, kv_rank=0)]  # as the page asks its reader
    script = widgets.script("calculator")
    given = json.dumps([asdict(s) for s in models])
    call = f"{given}.map(s => {json.dumps(runs)}.map(r => w.all(s, r)))"
    got = javascript(f"((w) => {call})({script})")
    for s, theirs in zip(models, got, strict=True):
        for run, found in zip(runs, theirs, strict=True):
            forward = forward_flops(s, run["seq"], causal=run["causal"]) / run["seq"]
            assert found == {
                "total": count_parameters(s).total,
                "active": count_parameters(s).active,
                "forward": forward,
                "training": 3 * forward * 7,
                "cache": kv_cache_bytes(s, run["seq"], 3, 2),
                "weightBytes": 2 * count_parameters(s).total,
                "activations": gpt_activation_bytes(
                    d_model=s.d_model,
                    n_heads=s.n_heads,
                    n_layers=s.n_layers,
                    seq=run["seq"],
                    batch=3,
                    recompute=run["recompute"],
                ),
            }


def test_the_calculator_refuses_what_the_package_refuses():
    right = asdict(published("Mixtral 8x7B").sizes)
    wrong = [
        {"n_kv_heads": 3},
        {"experts_a_token": 9},
        {"d_expert": 0},
        {"dense_layers": 33},
        {"full_layers": 33},
        {"kv_rank": 8},
        {"kv_rank": 8, "d_value": 8, "biases": "all"},
    ]
    asked = json.dumps([right | change for change in wrong] + [right])
    got = javascript(f"((w) => {asked}.map(s => w.refused(s)))({widgets.script('calculator')})")
    assert [len(problems) for problems in got] == [1] * len(wrong) + [0]
    for change in wrong:
        with pytest.raises(ValueError):
            Sizes(**right | change)


def test_markup_is_closed_against_its_data():
    html = widgets.markup("sampler", {"text": "</script><!-- <b>"}, "A caption.")
    assert html.count("</script>") == 1 and "<!--" not in html
    assert html != widgets.markup("sampler", {"text": "other"}, "A caption.")


def test_bad_widgets_are_named():
    with pytest.raises(ValueError, match="'slider' is no interactive picture: expected one of"):
        widgets.script("slider")
    with pytest.raises(ValueError, match="caption is empty"):
        widgets.markup("sampler", {}, " ")
