"""FLOPs of training: the rule of thumb 6ND, the count, and how far they lie apart."""

from dataclasses import dataclass

from course_lib.architecture.accounting.formulas import (
    count_parameters,
    forward_flops,
    training_flops,
)
from course_lib.architecture.decoder import ModelConfig


def six_nd(parameters: int | float, tokens: int | float) -> float:
    """C = 6ND: each weight is multiplied and added once forward (2) and twice backward (4).

    Source: Kaplan et al. 2020, section 2.1. N there leaves the embeddings out, in Hoffmann et al.
    2022 it doesn't; we follow the second, and count a tied embedding once.
    """
    if parameters <= 0 or tokens <= 0:
        raise ValueError(f"parameters={parameters}, tokens={tokens}: expected both above 0")
    return 6.0 * parameters * tokens


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """FLOPs a token of training: the rule of thumb, the count, and attention's share of it."""

    parameters: int
    rule: float
    counted: float
    attention_share: float

    @property
    def ratio(self) -> float:
        """Counted over 6N: above 1 the rule is an underestimate."""
        return self.counted / self.rule


def compare(config: ModelConfig, seq: int) -> Comparison:
    """6N beside the counted FLOPs a token in rows of ``seq`` tokens.

    They part where attention's products of tokens with tokens count (long rows, narrow models),
    and where an untied embedding holds parameters that are looked up and never multiplied.
    """
    n = count_parameters(config).total
    counted = training_flops(config, seq, seq) / seq
    mixing = 3 * 4 * seq * config.d_model * config.n_layers
    return Comparison(
        parameters=n, rule=six_nd(n, 1), counted=counted, attention_share=mixing / counted
    )


def utilisation(config: ModelConfig, seq: int, tokens_per_second: float, peak: float) -> float:
    """Model FLOPs utilisation: the counted FLOPs a second over the ``peak`` of the hardware.

    Source: Chowdhery et al. 2022 (PaLM), appendix B. Recomputed activations don't count.
    """
    if peak <= 0:
        raise ValueError(f"peak={peak}: expected FLOPs a second above 0")
    return 3 * forward_flops(config, seq) / seq * tokens_per_second / peak
