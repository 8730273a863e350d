"""Our measures against scipy's statistics and lm-eval's harness."""

import math

import numpy as np
import pytest
import torch
from scipy import stats as scipy_stats

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.families.interop import to_llama
from course_lib.data.tokenization.tokenizer import train_bpe
from course_lib.evaluation.harness import course_lm, hf_lm, run_harness
from course_lib.evaluation.likelihood import Choice, choose, compression, score_pairs, split_pair
from course_lib.evaluation.stats import mcnemar, paired_bootstrap
from course_lib.evaluation.tasks import write_chat_task, write_text_task
from course_lib.sft.ask import ask
from course_lib.world import World, WorldConfig, wilson
from course_lib.world.harness import task_row, write_tasks

N = 12


def test_wilson_equals_scipy(parity):
    error = 0.0
    for n in (1, 7, 40, 333):
        for k in range(n + 1):
            theirs = scipy_stats.binomtest(k, n).proportion_ci(method="wilson")
            ours = wilson(k, n)
            error = max(error, abs(ours.low - theirs.low), abs(ours.high - theirs.high))
    parity(
        stem="evaluation",
        ours="world.exam.wilson",
        reference="scipy.stats.binomtest().proportion_ci('wilson')",
        error=error,
        tolerance=1e-12,
        note="both ends, every count of 1, 7, 40 and 333 questions",
    )


def test_mcnemar_equals_scipy(parity):
    error = 0.0
    for b in range(12):
        for c in range(1, 12):
            ours = mcnemar([True] * b + [False] * c, [False] * b + [True] * c)
            theirs = scipy_stats.binomtest(b, b + c, 0.5).pvalue
            error = max(error, abs(ours.p_value - theirs))
    parity(
        stem="evaluation",
        ours="evaluation.stats.mcnemar",
        reference="scipy.stats.binomtest (sign test)",
        error=error,
        tolerance=1e-12,
        note="p-values, up to 11 disagreements on each side",
    )


def test_paired_bootstrap_equals_scipy(parity):
    rng = np.random.default_rng(0)
    first, second = rng.random(150) < 0.6, rng.random(150) < 0.7
    theirs = scipy_stats.bootstrap(
        (first.astype(float), second.astype(float)),
        lambda a, b, axis: (b - a).mean(axis),
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=10_000,
        batch=1000,
        rng=np.random.default_rng(0),
    ).confidence_interval
    ours = paired_bootstrap(first.tolist(), second.tolist())
    parity(
        stem="evaluation",
        ours="evaluation.stats.paired_bootstrap",
        reference="scipy.stats.bootstrap(paired=True, method='percentile')",
        error=max(abs(ours.low - theirs.low), abs(ours.high - theirs.high)),
        tolerance=1e-12,
        note="150 pairs, 10 000 resamples drawn by the same generator",
    )


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A little world, a tokenizer, a random decoder, and its twin in transformers."""
    world = World(WorldConfig())
    tokenizer = train_bpe([d.text for d in world.documents("train", 400)], 400)
    config = ModelConfig(
        vocab_size=tokenizer.vocab_size,
        d_model=32,
        n_layers=2,
        n_heads=2,
        n_kv_heads=1,
        d_ff=48,
        max_seq=512,
        tied=False,
    )
    model = Decoder(config, generator=torch.Generator().manual_seed(0)).eval()
    with torch.no_grad():  # random, but with opinions: greedy replies then differ by question
        for weight in model.parameters():
            weight.mul_(3) if weight.ndim == 2 else None
    folder = tmp_path_factory.mktemp("tasks")
    tasks = write_tasks(world, folder, n=N)
    return world, tokenizer, model, folder, tasks


def _logprobs(result, task):
    return [
        response[0][0]
        for sample in sorted(result["samples"][task], key=lambda s: s["doc_id"])
        for response in sample["resps"]
    ]


@pytest.mark.parametrize("kind", ["fact", "where"])
def test_multiple_choice_equals_the_harness(room, parity, kind):
    world, tokenizer, model, folder, _ = room
    rows = [task_row(world, q) for q in world.questions("test", N, 0, (kind,))]
    choices = [Choice(r["prompt"], tuple(" " + c for c in r["choices"]), r["target"]) for r in rows]
    picked = choose(model, tokenizer, choices)
    ours = sum(p == c.gold for p, c in zip(picked, choices, strict=True)) / len(choices)
    pairs = [split_pair(tokenizer, c.context, o) for c in choices for o in c.options]
    scored = [s.logprob for s in score_pairs(model, pairs)]
    lms = {
        "lm-eval 0.4 with our TemplateLM": course_lm(model, tokenizer),
        "lm-eval 0.4 HFLM on LlamaForCausalLM": hf_lm(to_llama(model), tokenizer),
    }
    for name, lm in lms.items():
        result = run_harness(lm, [f"world_{kind}"], folder)
        theirs = _logprobs(result, f"world_{kind}")
        assert result["results"][f"world_{kind}"]["acc,none"] == ours
        parity(
            stem="evaluation",
            ours="evaluation.likelihood.choose",
            reference=name,
            error=max(abs(a - b) for a, b in zip(scored, theirs, strict=True)),
            tolerance=1e-3,
            note=f"log-likelihoods of {len(theirs)} options ({kind}), fp32 sums of some −100 "
            "nats; accuracies equal exactly",
        )


def test_bits_per_byte_equals_the_harness(room, parity, tmp_path):
    world, tokenizer, model, *_ = room
    texts = [d.text for d in world.documents("test", N)]
    task = write_text_task(texts, tmp_path)
    ours = compression(model, tokenizer, texts, end=False).bits_per_byte
    lms = {
        "lm-eval 0.4 with our TemplateLM": course_lm(model, tokenizer),
        "lm-eval 0.4 HFLM on LlamaForCausalLM": hf_lm(to_llama(model), tokenizer, add_bos=False),
    }
    for name, lm in lms.items():
        theirs = run_harness(lm, [task], tmp_path)["results"][task]["bits_per_byte,none"]
        parity(
            stem="evaluation",
            ours="evaluation.likelihood.compression",
            reference=name,
            error=abs(ours - theirs) / theirs,
            tolerance=1e-5,
            note="bits a byte of whole documents, relative",
        )


def test_generated_answers_equal_the_harness(room, parity, tmp_path):
    world, tokenizer, model, *_ = room
    questions = world.questions("test", N, 0, ("sum", "count"))
    task = write_chat_task(questions, tmp_path)
    replies = ask(model, tokenizer, questions)
    llama = to_llama(model, eos_id=tokenizer.end_id)
    llama.generation_config.eos_token_id = [tokenizer.end_id, tokenizer.eos_id]
    lms = {
        "lm-eval 0.4 with our TemplateLM": course_lm(model, tokenizer),
        "lm-eval 0.4 HFLM on LlamaForCausalLM": hf_lm(llama, tokenizer),
    }
    for name, lm in lms.items():
        samples = run_harness(lm, [task], tmp_path, chat=True)["samples"][task]
        theirs = [s["resps"][0][0] for s in sorted(samples, key=lambda s: s["doc_id"])]
        differ = sum(a != b.strip() for a, b in zip(replies, theirs, strict=True))
        parity(
            stem="evaluation",
            ours="sft.ask.ask",
            reference=name,
            error=differ / len(replies),
            tolerance=0.0,
            note=f"share of {len(replies)} greedy replies that differ by a character",
        )
    assert len(set(replies)) > N // 3
    assert math.isfinite(sum(map(len, replies)))
