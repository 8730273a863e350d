"""From a budget to a run: parameters, tokens, batch, and days on named hardware."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from course_lib.scaling.laws.fit import Law

SECONDS_A_DAY = 86_400
BYTES_A_PARAMETER = 16  # bf16 weight and gradient, fp32 weight and two moments: 2 + 2 + 4 + 4 + 4


def hoffmann_2022() -> Law:
    """The published constants of "approach 3": Hoffmann et al. 2022, equation 10."""
    return Law(E=1.69, A=406.4, a=0.34, B=410.7, b=0.28)


def besiroglu_2024() -> Law:
    """The refit of the points read off Hoffmann's figure 4: Besiroglu et al. 2024, table 1.

    They find that the original fit had stopped early (loss scale) and was rounded too hard.
    """
    return Law(E=1.8172, A=482.01, a=0.3478, B=2085.43, b=0.3658)


class Split(NamedTuple):
    """A budget's parameters and tokens."""

    n: float
    d: float


def compute_optimal(law: Law, flops: float) -> Split:
    r"""The N and D of least loss with 6ND = C.

    Setting dL = 0 along 6ND = C gives a A / N^a = b B / D^b, so::

        N = G (C/6)^(b/(a+b)),  D = (C/6) / N,  G = (aA / bB)^(1/(a+b))

    E drops out: how to spend doesn't depend on what cannot be bought.
    Source: Hoffmann et al. 2022, equation 4.
    """
    if not 0 < flops < math.inf:
        raise ValueError(f"flops={flops}: expected a budget above 0")
    if not (law.a > 0 and law.b > 0):
        raise ValueError(f"a={law.a}, b={law.b}: one term is flat, so no split is best")
    total = law.a + law.b
    g = (law.a * law.A / (law.b * law.B)) ** (1 / total)
    n = g * (flops / 6) ** (law.b / total)
    return Split(n, flops / 6 / n)


class Hardware(NamedTuple):
    """A device: dense peak in FLOPs a second, memory in bytes, and where the figures stand."""

    name: str
    peak: float
    memory: float
    source: str


HARDWARE = {
    "T4": Hardware("T4", 65e12, 16e9, "NVIDIA T4 data sheet, fp16 tensor"),
    "L4": Hardware("L4", 121e12, 24e9, "NVIDIA L4 data sheet, bf16 dense"),
    "A100": Hardware("A100", 312e12, 80e9, "NVIDIA A100 80GB SXM data sheet, bf16 dense"),
    "H100": Hardware("H100", 989e12, 80e9, "NVIDIA H100 SXM data sheet, bf16 dense"),
    "H200": Hardware("H200", 989e12, 141e9, "NVIDIA H200 SXM data sheet, bf16 dense"),
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run that fits a budget. FLOPs, tokens and days as named."""

    flops: float
    n: float
    d: float
    loss: float
    batch_tokens: float
    lr: float
    device_days: float
    devices_for_memory: int
    extra_loss: float

    @property
    def steps(self) -> float:
        """Optimizer steps: tokens over tokens a batch."""
        return self.d / self.batch_tokens

    @property
    def tokens_per_parameter(self) -> float:
        """D / N: about 20 for Chinchilla, hundreds for models that will be served a lot."""
        return self.d / self.n


def plan(
    law: Law,
    flops: float,
    hardware: Hardware,
    *,
    utilisation: float = 0.4,
    tokens_per_parameter: float | None = None,
) -> Plan:
    """Spend ``flops`` under ``law``: at the optimum, or at a chosen ratio D/N.

    ``extra_loss`` is what the chosen ratio costs against the optimum, in nats a token: the price
    of a smaller model that is cheaper to serve. ``utilisation`` (MFU) is yours to measure; 0.4 is
    a usual value for large runs (Chowdhery et al. 2022, table 3, has 0.2 to 0.46).
    """
    if not 0 < utilisation <= 1:
        raise ValueError(f"utilisation={utilisation}: expected a share above 0 and at most 1")
    best = compute_optimal(law, flops)
    n, d = best
    if tokens_per_parameter is not None:
        if not tokens_per_parameter > 0:
            raise ValueError(f"tokens_per_parameter={tokens_per_parameter}: expected above 0")
        n = (flops / 6 / tokens_per_parameter) ** 0.5
        d = flops / 6 / n
    batch, lr = batch_and_rate(flops)
    return Plan(
        flops=flops,
        n=n,
        d=d,
        loss=float(law.loss(n, d)),
        batch_tokens=min(batch, d),
        lr=lr,
        device_days=flops / (hardware.peak * utilisation) / SECONDS_A_DAY,
        devices_for_memory=-(-int(n * BYTES_A_PARAMETER) // int(hardware.memory)),
        extra_loss=float(law.loss(n, d) - law.loss(*best)),
    )


def batch_and_rate(flops: float) -> tuple[float, float]:
    """Tokens a batch and AdamW's peak learning rate for a budget of C FLOPs.

    B = 0.2920 C^0.3271 and η = 0.3118 C^-0.1250. Source: DeepSeek LLM (Bi et al. 2024), equation
    1, fitted between 1e17 and 2e19 FLOPs on their data: an extrapolation beyond.
    """
    return 0.2920 * flops**0.3271, 0.3118 * flops**-0.1250
