"""Xavier and He against torch.nn.init, number by number; GPT-2's beginning against transformers."""

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.families.presets import gpt2
from course_lib.pretraining.initialisation.mup import WidthDecoder
from course_lib.pretraining.initialisation.schemes import (
    GAINS,
    gpt2_,
    he_std,
    normal_,
    uniform_,
    xavier_std,
)
from course_lib.pretraining.optimizers.adamw import AdamW

INIT = torch.nn.init
CASES = {
    "xavier_std, normal_": (normal_, xavier_std(30, 70), INIT.xavier_normal_, {}),
    "xavier_std, uniform_": (
        uniform_,
        xavier_std(30, 70, GAINS["tanh"]),
        INIT.xavier_uniform_,
        {"gain": INIT.calculate_gain("tanh")},
    ),
    "he_std, normal_": (normal_, he_std(30), INIT.kaiming_normal_, {"nonlinearity": "relu"}),
    "he_std, uniform_": (uniform_, he_std(30), INIT.kaiming_uniform_, {"nonlinearity": "relu"}),
}


@pytest.mark.parametrize("name", CASES)
def test_xavier_and_he(parity, name):
    fill, std, library, more = CASES[name]
    ours = fill(torch.empty(70, 30), std, torch.Generator().manual_seed(0))
    theirs = library(torch.empty(70, 30), generator=torch.Generator().manual_seed(0), **more)
    assert theirs.std() > 0.1
    parity(
        stem="pretraining",
        ours=f"pretraining.initialisation.{name}",
        tolerance=1e-7,
        reference=f"torch.nn.init.{library.__name__}",
        error=(ours - theirs).abs().max().item(),
        note="the same numbers from the same generator",
    )


def test_gpt2(parity):
    """Standard deviations by kind of weight: sampling leaves about 1 / sqrt(2 n) between them."""
    sizes = dict(n_layers=3, d_model=96)
    ours = Decoder(gpt2(vocab_size=700, n_heads=4, d_ff=384, max_seq=128, **sizes))
    gpt2_(ours, torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    theirs = GPT2LMHeadModel(
        GPT2Config(vocab_size=700, n_positions=128, n_embd=96, n_layer=3, n_head=4)
    )
    ours_by_kind, theirs_by_kind = (
        {
            kind: torch.cat(
                [w.detach().flatten() for name, w in model.named_parameters() if name.endswith(end)]
            )
            for kind, end in ends.items()
        }
        for model, ends in (
            (
                ours,
                {
                    "embedding": "embed.weight",
                    "positions": "positions.weight",
                    "queries, keys, values": "qkv.weight",
                    "attention's output": "out.weight",
                    "up": "up.weight",
                    "down": "down.weight",
                    "biases": "bias",
                    "gains": "norm.weight",
                },
            ),
            (
                theirs,
                {
                    "embedding": "wte.weight",
                    "positions": "wpe.weight",
                    "queries, keys, values": "c_attn.weight",
                    "attention's output": "attn.c_proj.weight",
                    "up": "c_fc.weight",
                    "down": "mlp.c_proj.weight",
                    "biases": "bias",
                    "gains": "ln_1.weight",
                },
            ),
        )
    )
    for kind, numbers in ours_by_kind.items():
        wanted = theirs_by_kind[kind]
        if kind in ("biases", "gains"):
            error, tolerance = (numbers.unique() - wanted.unique()).abs().max().item(), 0.0
        else:
            assert wanted.std() > 0.005
            error = abs(numbers.std() / wanted.std() - 1).item()
            tolerance = 4 / wanted.numel() ** 0.5
        parity(
            stem="pretraining",
            ours="pretraining.initialisation.gpt2_",
            error=error,
            tolerance=tolerance,
            reference="transformers GPT2LMHeadModel",
            note=f"{kind}: relative difference of the standard deviations"
            if tolerance
            else f"{kind}: all the same value",
        )


def logits_by_step(kind: str, steps: int) -> torch.Tensor:
    """Logits along a run of Adam without eps, which alone isn't free of scale."""
    shape = ModelConfig(
        vocab_size=40,
        d_model=128,
        n_layers=2,
        head_size=8,
        n_heads=16,
        n_kv_heads=16,
        d_ff=256,
        tied=False,
    )
    model = WidthDecoder(shape, kind, 32, torch.Generator().manual_seed(0))
    optimizer, found = AdamW(model.groups(0.01), weight_decay=0.0, eps=1e-30), []
    for i in range(steps):
        tokens = torch.randint(40, (4, 12), generator=torch.Generator().manual_seed(i))
        found.append(model(tokens))
        optimizer.zero_grad()
        logits, targets = found[-1][:, :-1].flatten(0, 1), tokens[:, 1:].flatten()
        torch.nn.functional.cross_entropy(logits, targets).backward()
        optimizer.step()
    return torch.stack(found).detach()


def test_mup_tables(parity):
    """The paper's two forms: table 3 scales the head's weights and rate, table 8 its output."""
    eight, three = (logits_by_step(kind, 10) for kind in ("mup", "mup, table 3"))
    assert (eight[-1] - eight[0]).abs().max() > 0.05
    parity(
        stem="pretraining",
        ours="pretraining.mup.WidthDecoder",
        tolerance=1e-3,
        reference="Yang et al. 2022, table 3 (against table 8)",
        error=(eight - three).abs().max().item(),
        note="logits over 10 steps of Adam at four times the base width, untied",
    )
