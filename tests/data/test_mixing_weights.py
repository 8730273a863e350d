import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.data.mixing.weights import (
    draw_sources,
    effective_tokens,
    epochs,
    fit_mixture,
    temperature_weights,
)


def test_temperature_by_hand():
    sizes = {"big": 9, "small": 1}
    assert temperature_weights(sizes, 1) == pytest.approx({"big": 0.9, "small": 0.1})
    assert temperature_weights(sizes, 2) == pytest.approx({"big": 0.75, "small": 0.25})
    assert temperature_weights(sizes, math.inf) == pytest.approx({"big": 0.5, "small": 0.5})
    with pytest.raises(ValueError, match="temperature=0 must be above 0"):
        temperature_weights(sizes, 0)
    with pytest.raises(ValueError, match="'x' has size 0"):
        temperature_weights({"x": 0}, 1)


@given(st.lists(st.integers(1, 10**12), min_size=2, max_size=5), st.floats(0.2, 50))
def test_higher_temperature_is_more_even_and_weights_add_up(numbers, temperature):
    sizes = {str(i): n for i, n in enumerate(numbers)}
    cool, warm = (temperature_weights(sizes, t) for t in (temperature, 2 * temperature))
    assert sum(cool.values()) == pytest.approx(1)
    assert max(warm.values()) <= max(cool.values()) + 1e-12


def test_draws_follow_the_weights():
    drawn = draw_sources([0.7, 0.2, 0.1], 20_000, seed=1)
    shares = np.bincount(drawn) / len(drawn)
    assert np.abs(shares - [0.7, 0.2, 0.1]).max() < 4 * math.sqrt(0.21 / 20_000)
    assert (draw_sources([0.7, 0.2, 0.1], 50, seed=1) == drawn[:50]).all()
    with pytest.raises(ValueError, match="a sum of 1"):
        draw_sources([0.5, 0.6], 3)


def test_epochs_by_hand():
    assert epochs({"a": 0.5, "b": 0.5}, {"a": 1000, "b": 10}, 100) == {"a": 0.05, "b": 5.0}


def test_repetition_is_worth_less_and_less():
    assert effective_tokens(100, 0.5) == 50 and effective_tokens(100, 1) == 100
    four = effective_tokens(100, 4)
    assert four == pytest.approx(100 * (1 + 15.39 * (1 - math.exp(-3 / 15.39))))
    assert 360 < four < 400
    assert effective_tokens(100, 1e6) == pytest.approx(100 * 16.39)
    with pytest.raises(ValueError, match="passes=0"):
        effective_tokens(100, 0)


def test_the_mixture_model_finds_the_bottom_of_a_bowl():
    target = np.array([0.5, 0.3, 0.2])
    weights = np.random.default_rng(0).dirichlet(np.ones(3), 12)
    losses = 2 + ((weights - target) ** 2).sum(1)
    fitted = fit_mixture("abc", weights.tolist(), losses.tolist())
    assert fitted.residual < 1e-10
    assert list(fitted.best().values()) == pytest.approx(target, abs=0.02)
    assert fitted.predict([0.2, 0.3, 0.5])[0] == pytest.approx(2 + 0.18)
    with pytest.raises(ValueError, match="more than the 6 coefficients"):
        fit_mixture("abc", weights[:6].tolist(), losses[:6].tolist())
