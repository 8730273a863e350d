"""muP: scales, rates and factors by width, and that its two tables are one function."""

import pytest
import torch

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.pretraining.initialisation.mup import WidthDecoder, changes, rms, states
from course_lib.pretraining.optimizers.adamw import AdamW
from course_lib.studies.pretraining.mup import best_rate


def shape(width, tied=True):
    return ModelConfig(
        vocab_size=40,
        d_model=width,
        n_layers=2,
        head_size=8,
        n_heads=width // 8,
        n_kv_heads=width // 8,
        d_ff=2 * width,
        tied=tied,
    )


def made(kind, width, tied=True, base=32):
    return WidthDecoder(shape(width, tied), kind, base, torch.Generator().manual_seed(0))


def test_standard_is_the_courses_decoder():
    ours = Decoder(shape(64), torch.Generator().manual_seed(0))
    for (name, a), b in zip(
        ours.named_parameters(), made("standard", 64).parameters(), strict=True
    ):
        assert torch.allclose(a, b), name


def test_at_the_base_width_all_are_one():
    tokens = torch.arange(12)[None]
    assert torch.allclose(made("mup", 32)(tokens), made("standard", 32)(tokens))
    assert {group["lr"] for group in made("mup", 32).groups(0.01)} == {0.01}


def test_mup_at_four_times_the_base_by_hand():
    wide, standard = made("mup", 128), made("standard", 128)
    rates = dict(zip((n for n, _ in wide.named_parameters()), wide.groups(0.01), strict=True))
    assert rates["embed.weight"]["lr"] == 0.01
    assert rates["norm.weight"]["lr"] == 0.01
    assert rates["blocks.0.mlp.down.weight"]["lr"] == pytest.approx(0.0025)
    assert wide.multiplier == 0.25
    assert wide.embed.weight.std().item() == pytest.approx(32**-0.5, rel=0.05)
    hidden = [m.blocks[1].attention.qkv.weight for m in (wide, standard)]
    assert torch.equal(*hidden)


def train(model, steps):
    """Adam without eps, which alone isn't free of scale; the logits after each step."""
    optimizer, found = AdamW(model.groups(0.01), weight_decay=0.0, eps=1e-30), []
    for i in range(steps):
        tokens = torch.randint(40, (4, 12), generator=torch.Generator().manual_seed(i))
        found.append(model(tokens))
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(
            found[-1][:, :-1].flatten(0, 1), tokens[:, 1:].flatten()
        ).backward()
        optimizer.step()
    return torch.stack(found).detach()


def test_the_papers_two_tables_are_one_function():
    """Table 3 scales the head's weights and rate; table 8 its output: the same under Adam."""
    pair = [train(made(kind, 128, tied=False), 10) for kind in ("mup", "mup, table 3")]
    assert (pair[0][-1] - pair[0][0]).abs().max() > 0.05
    assert (pair[0] - pair[1]).abs().max() < 1e-3


def test_coordinate_check():
    """Between widths 32 and 256 the logits' change grows under standard, and hardly under muP."""
    found = {}
    for kind in ("standard", "mup"):
        for width in (32, 256):
            model = made(kind, width)
            optimizer = AdamW(model.groups(0.01), weight_decay=0.0)
            tokens = torch.randint(40, (4, 12), generator=torch.Generator().manual_seed(0))

            def step(i, model=model, optimizer=optimizer, tokens=tokens):
                optimizer.zero_grad()
                logits = model(tokens)[:, :-1].flatten(0, 1)
                torch.nn.functional.cross_entropy(logits, tokens[:, 1:].flatten()).backward()
                optimizer.step()

            found[kind, width] = changes(model, step, tokens, 3)[-1]
    growth = {
        kind: {part: found[kind, 256][part] / found[kind, 32][part] for part in found[kind, 32]}
        for kind in ("standard", "mup")
    }
    assert growth["standard"]["block 2"] > 2
    assert growth["mup"]["block 2"] < 1.6
    assert growth["mup"]["logits"] < 1.6
    assert min(growth["mup"].values()) > 0.3


def test_states_name_every_part():
    model = made("mup", 32)
    seen = states(model, torch.arange(5)[None])
    assert list(seen) == ["embedding", "block 1", "block 2", "logits"]
    assert rms(seen["embedding"]) == pytest.approx(32**-0.5, rel=0.2)


def test_best_rate_is_the_vertex():
    runs = [{"lr": lr, "loss": (x - 1.3) ** 2} for x, lr in enumerate((1.0, 2.0, 4.0, 8.0))]
    assert best_rate(runs) == pytest.approx(2**1.3)
    assert best_rate(runs[2:] + [{"lr": 16.0, "loss": None}]) == 4.0


def test_refused():
    with pytest.raises(ValueError, match="'ntk': expected one of 'standard', 'mup, "):
        made("ntk", 32)
    with pytest.raises(ValueError, match="no rule for a tied embedding"):
        made("mup, table 3", 32)
