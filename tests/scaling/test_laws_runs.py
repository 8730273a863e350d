"""A study of two tiny models: more data helps, and nobody beats the entropy."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from course_lib.scaling.laws.ledger import Ledger, LedgerConfig
from course_lib.scaling.laws.runs import corrected_loss, finite_study, run_study, zipf_study

LEDGER = LedgerConfig(names=6, attributes=4, values=3)


def test_runs_of_a_small_study():
    seen = []
    study = replace(
        zipf_study(), ledger=LEDGER, widths=(8, 16), steps=(20, 60), rows=8, seq=12, eval_rows=200
    )
    runs = run_study(study, on_size=lambda width, new: seen.append((width, len(new))))
    assert seen == [(8, 2), (16, 2)]
    assert [run.d for run in runs] == [20 * 96, 60 * 96] * 2
    assert runs[0].n < runs[2].n and runs[0].flops < runs[1].flops
    entropy = Ledger(LEDGER).entropy
    assert runs[1].loss < runs[0].loss and all(run.loss > entropy for run in runs)


def test_a_perfect_model_has_the_entropy_as_corrected_loss():
    ledger = Ledger(LEDGER)
    rows = ledger.rows(50, 12, seed=3)

    class Perfect(nn.Module):
        """Knows the frequencies: p(name), p(attribute | name), p(value | both)."""

        def __init__(self):
            super().__init__()
            self.unused = nn.Parameter(torch.zeros(1))
            table = torch.zeros(6, 4, dtype=torch.float64)
            slot = torch.from_numpy(ledger._slot)
            table.view(-1)[slot] = torch.from_numpy(ledger.probabilities)
            self.table = table

        def forward(self, tokens):
            logits = torch.full((*tokens.shape, LEDGER.vocab_size), -1e9, dtype=torch.float64)
            value = torch.from_numpy(ledger._value)
            for b, row in enumerate(tokens.tolist()):
                for t, token in enumerate(row):
                    if t % 3 == 0:
                        logits[b, t, 1:7] = self.table.sum(1).log()
                    elif t % 3 == 1:
                        logits[b, t, 7:11] = (
                            self.table[token - 1] / self.table[token - 1].sum()
                        ).log()
                    else:
                        fact = (row[t - 1] - 1) * 4 + token - 7
                        logits[b, t, 11 + value[fact]] = 0.0
            return logits

    assert rows.nats_per_token != pytest.approx(ledger.entropy, abs=1e-3)
    assert corrected_loss(Perfect(), rows, ledger.entropy) == pytest.approx(ledger.entropy)


def test_presets_are_what_they_say():
    assert zipf_study().ledger.facts == 16_384 and finite_study().ledger.facts == 256
    assert finite_study().ledger.power == 0 and finite_study(widths=(8,)).widths == (8,)
