"""How much of each source: weights by temperature, weights learned from small runs, and repetition.

A mixture is a probability for each source. Drawing from it decides how often every document is
seen: a small source with a large weight is repeated.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Number = int | float


def temperature_weights(sizes: Mapping[str, Number], temperature: Number) -> dict[str, float]:
    r"""w_i = n_i^(1/T) / Σ n_j^(1/T): T = 1 keeps the sizes' proportions, T = ∞ treats all alike.

    Source: Arivazhagan et al. 2019, section 4.1 (T = 5 for 103 languages); XLM-R writes 1/T = α.
    """
    if not temperature > 0:
        raise ValueError(f"temperature={temperature} must be above 0; inf gives equal weights")
    for name, size in sizes.items():
        if not 0 < size < math.inf:
            raise ValueError(f"source {name!r} has size {size}: leave it out, or count it again")
    powers = {name: math.log(size) / temperature for name, size in sizes.items()}
    top = max(powers.values(), default=0.0)
    scaled = {name: math.exp(power - top) for name, power in powers.items()}
    total = sum(scaled.values())
    return {name: value / total for name, value in scaled.items()}


def draw_sources(weights: Sequence[Number], n: int, seed: int = 0) -> np.ndarray:
    """The number of the source of each of the next `n` documents, drawn independently.

    It is the very sequence of `datasets.interleave_datasets(..., probabilities=, seed=)`.
    """
    if not all(w >= 0 for w in weights) or not math.isclose(sum(weights), 1, abs_tol=1e-9):
        raise ValueError(f"weights={list(weights)}: expected none below 0 and a sum of 1")
    return np.random.default_rng(seed).choice(len(weights), size=n, p=np.asarray(weights, float))


def epochs(
    weights: Mapping[str, float], sizes: Mapping[str, Number], budget: Number
) -> dict[str, float]:
    """How often each source is read in a run of `budget` tokens: w_i · budget / n_i."""
    for name, weight in weights.items():
        size = sizes.get(name, 0)
        if not (0 <= weight < math.inf and 0 < size < math.inf and 0 <= budget < math.inf):
            raise ValueError(
                f"source {name!r}: weight={weight}, size={size}, budget={budget}: expected "
                "numbers, none below 0, and a size above it"
            )
    return {name: weights[name] * budget / sizes[name] for name in weights}


def effective_tokens(unique: Number, passes: Number, half_life: Number = 15.39) -> float:
    r"""What `passes` epochs over `unique` tokens are worth, in fresh tokens.

        D' = U + U R* (1 - exp(-R / R*)),    R = passes - 1 repetitions

    R* = 15.39 was fitted by Muennighoff et al. 2023 (equation 5 and section 5) on 182 runs of up to
    9 billion parameters: the second to fourth reading is nearly as good as fresh text, and beyond
    some 16 readings more of them are worth nothing. The constant is theirs: ours is measured on the
    page.
    """
    if not (unique > 0 and passes > 0 and half_life > 0):
        raise ValueError(
            f"unique={unique}, passes={passes}, half_life={half_life}: all must be above 0"
        )
    if passes <= 1:
        return float(unique * passes)
    return unique * (1 + half_life * (1 - math.exp(-(passes - 1) / half_life)))


@dataclass(frozen=True)
class MixtureModel:
    """A loss as a quadratic function of the weights, fitted to small runs on random mixtures."""

    names: tuple[str, ...]
    coefficients: np.ndarray
    residual: float  # root mean square, in the loss's unit

    def predict(self, weights: Sequence[Number] | np.ndarray) -> np.ndarray:
        """The loss of one mixture or of many (one a row)."""
        return _features(np.atleast_2d(np.asarray(weights, float))) @ self.coefficients

    def best(self, draws: int = 20_000, seed: int = 0) -> dict[str, float]:
        """The mixture of least predicted loss among random ones: a search that can't get stuck."""
        if draws < 1:
            raise ValueError(f"draws={draws}: expected at least 1 mixture to choose from")
        generator = np.random.default_rng(seed)
        candidates = generator.dirichlet(np.ones(len(self.names)), draws)
        chosen = candidates[int(self.predict(candidates).argmin())]
        return dict(zip(self.names, map(float, chosen), strict=True))


def fit_mixture(
    names: Sequence[str], mixtures: Sequence[Sequence[Number]], losses: Sequence[Number]
) -> MixtureModel:
    """Least squares on the proxies' results. Source: RegMix (Liu et al. 2024), which trains 512
    models of 1 M parameters, fits a regression, and takes the best of simulated mixtures.

    Deviation: a quadratic in the free weights instead of gradient-boosted trees, since we have
    some dozen runs and not hundreds.
    """
    weights, target = np.asarray(mixtures, float), np.asarray(losses, float)
    if weights.ndim != 2 or weights.shape[1] != len(names):
        raise ValueError(
            f"mixtures of shape {weights.shape}: expected a weight for each of {len(names)} names"
        )
    if not (np.isfinite(weights).all() and np.isfinite(target).all()):
        raise ValueError(f"losses={losses}: expected finite numbers, and finite weights")
    features = _features(weights)
    if len(weights) != len(losses) or len(weights) <= features.shape[1]:
        raise ValueError(
            f"{len(weights)} mixtures and {len(losses)} losses: expected as many of "
            f"each, and more than the {features.shape[1]} coefficients"
        )
    coefficients = np.linalg.lstsq(features, target, rcond=None)[0]
    residual = float(np.sqrt(np.mean((features @ coefficients - target) ** 2)))
    return MixtureModel(tuple(names), coefficients, residual)


def _features(weights: np.ndarray) -> np.ndarray:
    """1, the free weights (the last one follows from the others), and their products."""
    free = weights[:, :-1]
    upper = np.triu_indices(free.shape[1])
    products = (free[:, :, None] * free[:, None, :])[:, upper[0], upper[1]]
    return np.concatenate([np.ones((len(free), 1)), free, products], axis=1)
