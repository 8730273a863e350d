"""A ledger of facts whose frequencies and entropy are known exactly.

A record is three tokens: name, attribute, value. There are ``names × attributes`` facts; each has
one value, drawn once, so a record's only surprise is *which* fact it states. Facts are drawn with
Zipf frequencies, a few of them often and most of them hardly ever, or all equally often
(``power=0``: the finite fact table of the micro-world, boiled down).

Two things follow that no real corpus offers: the loss of a perfect model is a sum that we can
write down, and so is the share of records that state a fact for the first time.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

START = 0  # the token every row begins with
FIELDS = 3  # name, attribute, value


@dataclass(frozen=True, kw_only=True)
class LedgerConfig:
    """Sizes of the ledger. Fact number i (from 0) has probability ∝ (i + shift)^-power."""

    names: int = 256
    attributes: int = 64
    values: int = 64
    power: float = 1.5
    shift: float = 3.0
    seed: int = 0

    def __post_init__(self):
        for name in ("names", "attributes", "values"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: expected at least 1")
        if not (self.power >= 0 and self.shift > 0):
            raise ValueError(f"power={self.power}, shift={self.shift}: expected ≥ 0 and > 0")

    @property
    def facts(self) -> int:
        """How many facts there are."""
        return self.names * self.attributes

    @property
    def vocab_size(self) -> int:
        """One token a name, attribute and value, and the start token."""
        return 1 + self.names + self.attributes + self.values


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of whole records, and the generator's own surprisal of them in nats a token."""

    tokens: Int[Tensor, "rows seq_plus_1"]
    nats_per_token: float

    @property
    def inputs(self) -> Int[Tensor, "rows seq"]:
        """Every token but the last."""
        return self.tokens[:, :-1]

    @property
    def targets(self) -> Int[Tensor, "rows seq"]:
        """Every token but the first."""
        return self.tokens[:, 1:]


class Ledger:
    """The facts of a ``LedgerConfig``: their frequencies, values and entropy."""

    def __init__(self, config: LedgerConfig):
        self.config = config
        random = np.random.default_rng(config.seed)
        weights = (np.arange(config.facts) + config.shift) ** -config.power
        self.probabilities = weights / weights.sum()
        self._slot = random.permutation(config.facts)  # which (name, attribute) is the i-th fact
        self._value = random.integers(0, config.values, config.facts)

    @cached_property
    def entropy(self) -> float:
        """Nats a token of a perfect model that is told nothing but the frequencies.

        H = -Σ p_i log p_i a record, shared by its three tokens.
        """
        p = self.probabilities
        return float(-(p * np.log(p)).sum() / FIELDS)

    def unseen(self, tokens: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Expected share of new records whose fact did not occur in a corpus of ``tokens``.

        Σ p_i (1 - p_i)^n after n = tokens / 3 records: what nobody can have learned.
        """
        records = np.asarray(tokens, float)[:, None] / FIELDS
        p = self.probabilities
        return (p * np.exp(records * np.log1p(-p))).sum(1)

    def rows(self, count: int, seq: int, seed: int) -> Rows:
        """``count`` rows of ``seq`` tokens behind a start token; ``seq`` a multiple of 3."""
        if seq < FIELDS or seq % FIELDS:
            raise ValueError(f"seq={seq}: expected a multiple of {FIELDS}, so records stay whole")
        random = np.random.default_rng([seed, self.config.seed])
        shape = (count, seq // FIELDS)
        fact = random.choice(len(self.probabilities), size=shape, p=self.probabilities)
        nats = -np.log(self.probabilities[fact]).sum() / (count * seq)
        records = self._records(fact).reshape(count, seq)
        start = np.full((count, 1), START)
        tokens = torch.from_numpy(np.concatenate([start, records], axis=1))
        return Rows(tokens=tokens, nats_per_token=float(nats))

    def _records(self, fact: np.ndarray) -> np.ndarray:
        """The three token ids of each fact, on a new last axis."""
        c, slot = self.config, self._slot[fact]
        name = 1 + slot // c.attributes
        attribute = 1 + c.names + slot % c.attributes
        value = 1 + c.names + c.attributes + self._value[slot]
        return np.stack([name, attribute, value], axis=-1)


def zipf_exponents(power: float) -> tuple[float, float]:
    """The exponents (a, b) that Zipf frequencies p ∝ i^-power lead one to expect.

    A model with room for the n commonest facts misses a mass ∝ n^-(power - 1): a = power - 1.
    A corpus of D records has not shown a mass ∝ D^-(power - 1)/power: b = (power - 1)/power.
    Source: Hutter 2021, section 3; Michaud et al. 2023, section 2.
    """
    if not power > 1:
        raise ValueError(f"power={power}: above 1, else the tail holds nearly all the mass")
    return power - 1, (power - 1) / power


def uniform_nats(config: LedgerConfig) -> float:
    """Loss in nats a token of a model that guesses uniformly over the vocabulary."""
    return math.log(config.vocab_size)
