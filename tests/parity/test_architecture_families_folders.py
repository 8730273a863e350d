"""Folders that `transformers` saves, opened by ours; and SmolLM2, a model that others trained."""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from course_lib import lineage
from course_lib.architecture.decoder import Decoder
from course_lib.architecture.families.folders import load_folder
from course_lib.architecture.families.interop import CLASSES, to_transformers
from course_lib.architecture.sampling.generate import generate
from course_lib.data.tokenization.byte_level import ByteLevelBPE
from course_lib.data.tokenization.templates import ChatTemplate
from tests.parity.test_architecture_families import OURS, THEIRS, noisy

QUESTIONS = ("What is the capital of France?", "Name three colours.", "Why is the sky blue?")


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16], ids=str)
def test_their_folder_gives_their_logits(name, kind, tmp_path):
    torch.manual_seed(0)
    theirs = noisy(CLASSES[name.split(",")[0]](THEIRS[name])).to(kind).eval()
    theirs.save_pretrained(tmp_path, max_shard_size="40kB")
    ours = load_folder(tmp_path)
    tokens = torch.randint(97, (2, 20), generator=torch.Generator().manual_seed(1))
    assert ours.embed.weight.dtype == kind
    if kind == torch.float32:
        with torch.no_grad():
            assert (ours(tokens) - theirs(tokens).logits).abs().max() < 1e-4


@pytest.mark.parametrize("name", OURS)
def test_our_folder_is_theirs_and_comes_back(name, tmp_path):
    ours = noisy(Decoder(OURS[name])).eval()
    to_transformers(ours).save_pretrained(tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    again = load_folder(tmp_path)
    tokens = torch.randint(97, (2, 20), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert (ours(tokens) - theirs(tokens).logits).abs().max() < 1e-4
    for name, weight in ours.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])


@pytest.fixture(scope="module")
def published():
    """The folder, both models, and the prompts' ids."""
    folder = lineage.published()
    if folder is None:
        pytest.skip(lineage.PUBLISHED_MISSING)
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    hub = AutoTokenizer.from_pretrained(folder)
    chat = ChatTemplate(hub.chat_template, ByteLevelBPE.load(folder), **hub.special_tokens_map)
    prompts = [
        chat.ids([{"role": "user", "content": text}], add_generation_prompt=True)
        for text in QUESTIONS
    ]
    return load_folder(folder), theirs, prompts


@torch.no_grad()
def test_logits_of_the_published_model(published, parity):
    ours, theirs, prompts = published
    apart = scale = 0.0
    for prompt in prompts:
        logits = theirs(torch.tensor([prompt])).logits
        apart = max(apart, float((ours(torch.tensor([prompt])) - logits).abs().max()))
        scale = max(scale, float(logits.abs().max()))
    assert scale > 20
    parity(
        stem="architecture",
        ours="architecture.families.folders.load_folder",
        reference="transformers.AutoModelForCausalLM",
        error=apart,
        tolerance=1e-4 * scale / 30,
        note="SmolLM2-135M-Instruct in float32: largest difference of a logit",
    )


@torch.no_grad()
def test_greedy_answers_of_the_published_model(published, parity):
    """Forty tokens each; the prompts have unequal lengths and ours go in one batch."""
    ours, theirs, prompts = published
    answers = generate(ours, prompts, max_new_tokens=40)
    wrong = 0
    for prompt, answer in zip(prompts, answers, strict=True):
        told = {"max_new_tokens": 40, "do_sample": False, "eos_token_id": None, "pad_token_id": 2}
        tokens = torch.tensor([prompt])
        wanted = theirs.generate(tokens, attention_mask=torch.ones_like(tokens), **told)
        wrong += list(answer) != wanted[0, len(prompt) :].tolist()
    parity(
        stem="architecture",
        ours="architecture.sampling.generate.generate",
        reference="transformers.GenerationMixin.generate",
        error=wrong,
        tolerance=0,
        note="SmolLM2-135M-Instruct: greedy answers of 40 tokens that differ, three in a batch",
    )
