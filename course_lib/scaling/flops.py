"""FLOPs of training: the rule of thumb 6ND, the count, and how far they lie apart."""

from dataclasses import dataclass

from course_lib.architecture.accounting.formulas import (
    attention_flops,
    count_parameters,
    training_flops,
)
from course_lib.architecture.decoder import ModelConfig


def six_nd(parameters: int | float, tokens: int | float) -> float:
    """C = 6ND: each weight is multiplied and added once forward (2) and twice backward (4).

    Source: Kaplan et al. 2020, section 2.1. N there leaves the embeddings out, in Hoffmann et al.
    2022 it doesn't; we follow the second, and count a tied embedding once.
    """
    if not (parameters > 0 and tokens > 0):
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
    and where an untied embedding holds parameters that are looked up and never multiplied. With
    experts the N of the rule are the parameters that a token meets.
    """
    n = count_parameters(config)
    counted = training_flops(config, seq, seq) / seq
    mixing = 3 * attention_flops(config, seq) / seq
    return Comparison(
        parameters=n.total,
        rule=six_nd(n.active, 1),
        counted=counted,
        attention_share=mixing / counted,
    )
