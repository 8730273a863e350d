"""Scaling against its references: scipy's fit, a numeric optimum, torch's FLOP counter."""

import numpy as np
import torch
from scipy.optimize import curve_fit, minimize_scalar
from torch.utils.flop_counter import FlopCounterMode

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.scaling.flops import compare
from course_lib.scaling.laws.fit import Law, fit_law, theta
from course_lib.scaling.planning.plan import besiroglu_2024, compute_optimal, hoffmann_2022


def test_fit_equals_scipy_curve_fit(parity):
    """With a large δ Huber is least squares on log L, which curve_fit solves its own way."""
    truth = Law(E=1.5, A=200.0, a=0.6, B=900.0, b=0.5)
    n, d = (x.ravel() for x in np.meshgrid(np.geomspace(4e3, 2e5, 6), np.geomspace(1e5, 3e6, 5)))
    loss = truth.loss(n, d) * np.exp(0.003 * np.random.default_rng(0).standard_normal(30))

    def log_loss(_, e, big_a, a, big_b, b):
        return np.log(np.exp(e) + np.exp(big_a) * n**-a + np.exp(big_b) * d**-b)

    start = np.array(theta(truth))
    best, _ = curve_fit(log_loss, n, np.log(loss), p0=start, maxfev=10_000)
    ours = fit_law(n, d, loss, delta=10.0, starts=[tuple(start)]).law
    error = np.abs(np.log(ours.loss(n, d)) - log_loss(None, *best)).max()
    parity(
        stem="scaling",
        ours="scaling.fit.fit_law (δ = 10)",
        reference="scipy.optimize.curve_fit",
        error=error,
        tolerance=1e-4,
        note="largest difference of the fitted log losses, 30 noisy runs",
    )


def test_optimum_equals_a_numeric_search(parity):
    law, flops = hoffmann_2022(), 1e21
    found = minimize_scalar(
        lambda log_n: float(law.loss(np.exp(log_n), flops / 6 / np.exp(log_n))),
        bounds=(np.log(1e6), np.log(1e13)),
        method="bounded",
        options={"xatol": 1e-9},
    )
    parity(
        stem="scaling",
        ours="scaling.plan.compute_optimal",
        reference="scipy.optimize.minimize_scalar",
        error=abs(np.log(compute_optimal(law, flops).n) - found.x),
        tolerance=1e-4,
        note="log N at 1e21 FLOPs; the minimum is flat, so the search finds it to 1e-5",
    )


def test_exponent_equals_the_published_one(parity):
    law = besiroglu_2024()
    got = np.log10(compute_optimal(law, 1e22).n / compute_optimal(law, 1e21).n)
    parity(
        stem="scaling",
        ours="scaling.plan.compute_optimal (refit constants)",
        reference="Besiroglu et al. 2024: N ∝ C^0.5126",
        error=abs(got - 0.5126),
        tolerance=5e-5,
        note="published to four digits",
    )


def test_counted_flops_equal_torchs_counter(parity):
    config = ModelConfig(
        vocab_size=96, d_model=32, n_layers=2, n_heads=2, n_kv_heads=1, d_ff=48, max_seq=24
    )
    model, tokens = Decoder(config), torch.zeros(3, 24, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        model(tokens).sum().backward()
    per_token = counter.get_total_flops() / tokens.numel()
    parity(
        stem="scaling",
        ours="scaling.flops.compare",
        reference="torch.utils.flop_counter.FlopCounterMode",
        error=abs(compare(config, 24).counted / per_token - 1),
        tolerance=1e-12,
        note="training FLOPs a token, relative",
    )
