"""Filters, penalties and beam search against `transformers`: the same logits, the same tokens."""

import pytest
import torch
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

from course_lib.architecture.decoder import Decoder
from course_lib.architecture.families.interop import to_llama
from course_lib.architecture.sampling.beam import beam_search
from course_lib.architecture.sampling.filters import Filters, seen_tokens
from course_lib.architecture.sampling.generate import generate
from tests.parity.test_architecture import SIZES, lively, tokens

ALONE = {
    "temperature=0.6": (Filters(temperature=0.6), TemperatureLogitsWarper(0.6)),
    "top_k=7": (Filters(top_k=7), TopKLogitsWarper(7)),
    "top_p=0.8": (Filters(top_p=0.8), TopPLogitsWarper(0.8)),
    "min_p=0.1": (Filters(min_p=0.1), MinPLogitsWarper(0.1)),
    "typical_p=0.2": (Filters(typical_p=0.2), TypicalLogitsWarper(0.2)),
    "typical_p=0.9": (Filters(typical_p=0.9), TypicalLogitsWarper(0.9)),
}


def spread_logits() -> torch.Tensor:
    """Rows from nearly even to nearly certain."""
    scale = torch.linspace(0.2, 8, 64).unsqueeze(1)
    return torch.randn(64, 300) * scale


def differing(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Largest difference of a kept logit; infinite where not the same tokens are kept."""
    if not torch.equal(ours.isinf(), theirs.isinf()):
        return float("inf")
    kept = ~ours.isinf()
    assert 0 < int(kept.sum())
    return (ours[kept] - theirs[kept]).abs().max().item()


@pytest.mark.parametrize("name", ALONE)
def test_each_filter_equals_its_warper(parity, name):
    ours, theirs = ALONE[name]
    logits = spread_logits()
    if name != "temperature=0.6":
        assert ours(logits).isinf().any(), "nothing was dropped: the case proves nothing"
    parity(
        stem="architecture",
        ours="architecture.filters.Filters",
        tolerance=0,
        reference=f"transformers {type(theirs).__name__}",
        note=f"{name}, logits",
        error=differing(ours(logits), theirs(None, logits)),
    )


def test_all_filters_in_order_equal_theirs(parity):
    logits, history = spread_logits(), torch.randint(0, 300, (64, 20))
    seen = seen_tokens(history, torch.ones_like(history, dtype=torch.bool), 300)
    ours = Filters(
        repetition_penalty=1.3, temperature=0.8, top_k=60, top_p=0.9, min_p=0.02, typical_p=0.9
    )(logits, seen)
    theirs = logits
    for step in (
        RepetitionPenaltyLogitsProcessor(1.3),
        TemperatureLogitsWarper(0.8),
        TopKLogitsWarper(60),
        TopPLogitsWarper(0.9),
        MinPLogitsWarper(0.02),
        TypicalLogitsWarper(0.9),
    ):
        theirs = step(history, theirs)
    parity(
        stem="architecture",
        ours="architecture.filters.Filters",
        tolerance=0,
        reference="transformers processors and warpers",
        note="all six, in order, logits",
        error=differing(ours, theirs),
    )


@pytest.mark.parametrize("penalty", [0.7, 1.3])
def test_greedy_with_a_repetition_penalty(parity, penalty):
    model = lively(SIZES["grouped, tied"])
    llama = to_llama(model, eos_id=0)
    prompts = [row[: 3 + 2 * i].tolist() for i, row in enumerate(tokens(model.config, batch=4))]
    filters = Filters(temperature=0, repetition_penalty=penalty)
    ours = generate(model, prompts, max_new_tokens=20, stop_ids=(0,), filters=filters)
    wrong = 0
    for prompt, reply in zip(prompts, ours, strict=True):
        wrong += reply != continuation(
            llama, prompt, do_sample=False, repetition_penalty=penalty, max_new_tokens=20
        )
    parity(
        stem="architecture",
        ours="architecture.sampling.generate",
        error=wrong,
        tolerance=0,
        reference="transformers generate(do_sample=False)",
        note=f"replies that differ, of {len(prompts)}, repetition_penalty={penalty}",
    )


SEARCHES = [  # beams, length penalty, early stopping
    (2, 1.0, False),
    (3, 0.0, "never"),
    (3, 2.0, "never"),
    (3, 1.0, True),
    (4, -0.5, False),
    (5, 0.6, False),
]


def test_beam_search(parity):
    """Random models end at random: some texts finish early, some run to the limit."""
    model = ending_often(SIZES["grouped, tied"])
    llama = to_llama(model, eos_id=0)
    prompts = [row[: 3 + 2 * i].tolist() for i, row in enumerate(tokens(model.config, batch=2))]
    wrong, lengths, apart = 0, set(), 0.0
    for n_beams, length_penalty, early_stopping in SEARCHES:
        for prompt in prompts:
            found = beam_search(
                model,
                prompt,
                n_beams=n_beams,
                max_new_tokens=12,
                stop_ids=(0,),
                length_penalty=length_penalty,
                early_stopping=early_stopping,
            )
            theirs = llama.generate(
                torch.tensor([prompt]),
                attention_mask=torch.ones(1, len(prompt)),
                do_sample=False,
                num_beams=n_beams,
                max_new_tokens=12,
                length_penalty=length_penalty,
                early_stopping=early_stopping,
                num_return_sequences=n_beams,
                return_dict_in_generate=True,
                output_scores=True,
            )
            written = [trimmed(row[len(prompt) :].tolist()) for row in theirs.sequences]
            wrong += written != [list(h.tokens) for h in found]
            scores = torch.tensor([h.score for h in found])
            apart = max(apart, (scores / theirs.sequences_scores - 1).abs().max().item())
            lengths.update(len(h.tokens) for h in found)
    assert min(lengths) < 8 and 12 in lengths and len(lengths) >= 4
    parity(
        stem="architecture",
        ours="architecture.beam.beam_search",
        error=wrong,
        tolerance=0,
        reference="transformers generate(num_beams)",
        note=f"searches of which any beam differs, of {len(SEARCHES) * len(prompts)}",
    )
    parity(
        stem="architecture",
        ours="architecture.beam.beam_search",
        error=apart,
        tolerance=1e-5,
        reference="transformers generate(num_beams)",
        note="relative error of a score, fp32",
    )


@torch.no_grad()
def ending_often(config) -> Decoder:
    """A random model whose stop token, 0, is as likely as its best few tokens."""
    model = lively(config)
    model.embed.weight[0] *= 1.5
    return model


def continuation(llama, prompt: list[int], **request) -> list[int]:
    given = torch.tensor([prompt])
    written = llama.generate(given, attention_mask=torch.ones_like(given), **request)
    return written[0, len(prompt) :].tolist()


def trimmed(row: list[int]) -> list[int]:
    """Up to and including the first stop id: theirs pads with it."""
    return row[: row.index(0) + 1] if 0 in row else row
