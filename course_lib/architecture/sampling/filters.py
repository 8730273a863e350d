"""What may be drawn next: one filter at a time, then all of them in order.

Every filter maps logits to logits: a token that may not be drawn gets -inf, the others keep theirs.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

COLD = 1e-6  # logits are far below 1e32: above it, no quotient leaves float32


def filter_logits(
    logits: Float[Tensor, "batch vocab"],
    temperature: int | float = 1.0,
    top_k: int | None = None,
    top_p: int | float | None = None,
) -> Float[Tensor, "batch vocab"]:
    """Divide by the temperature, then set the logits that may not be drawn to -inf.

    top_k keeps the k largest (Fan et al. 2018). top_p keeps the fewest whose probabilities reach
    p, at least one (Holtzman et al. 2020, section 3.1). In that order, as `transformers` does. A
    temperature that is nearly 0 comes out as its limit: the likeliest, and equals of it. Raises
    ValueError for a temperature that isn't above 0, a top_k below 1, a top_p not above 0.
    """
    _check("temperature", temperature, 0 < temperature < math.inf, "a number above 0")
    if top_k is not None:
        _check("top_k", top_k, isinstance(top_k, int) and top_k >= 1, "a whole number from 1")
    if top_p is not None:
        _check("top_p", top_p, 0 < top_p <= 1, "more than 0, up to 1 (keeps all)")
    logits = _cooled(logits, temperature)
    if top_k is not None and top_k < logits.shape[-1]:
        smallest = logits.topk(top_k, dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < smallest, float("-inf"))
    if top_p is not None and top_p < 1.0:
        ordered, index = logits.sort(dim=-1, descending=True)
        probabilities = ordered.softmax(-1)
        before = probabilities.cumsum(-1) - probabilities  # mass of the more likely ones
        beyond = before >= top_p
        beyond[..., 0] = False  # the likeliest stays, however small p is
        dropped = beyond.scatter(-1, index, beyond)
        logits = logits.masked_fill(dropped, float("-inf"))
    return logits


def _cooled(logits: Tensor, temperature: int | float) -> Tensor:
    """logits / temperature; far below 1, from their maximum, so that nothing overflows.

    A softmax doesn't see the shift. It is left out where it isn't needed, for it costs a rounding.
    """
    if temperature > COLD:
        return logits / temperature
    logits = logits - logits.amax(-1, keepdim=True)
    return logits / max(temperature, torch.finfo(logits.dtype).tiny)


def min_p(logits: Float[Tensor, "batch vocab"], p: int | float) -> Float[Tensor, "batch vocab"]:
    """Keep tokens at least p times as likely as the likeliest one.

    The cut moves with the model's certainty: high where one token stands out, low where many are
    about equal. Source: Nguyen et al. 2024. Raises ValueError unless 0 <= p <= 1.
    """
    _check("min_p", p, 0 <= p <= 1, "0 (keeps all) to 1 (keeps the likeliest)")
    probabilities = logits.softmax(-1)
    threshold = p * probabilities.amax(-1, keepdim=True)
    return logits.masked_fill(probabilities < threshold, float("-inf"))


def typical(
    logits: Float[Tensor, "batch vocab"], mass: int | float
) -> Float[Tensor, "batch vocab"]:
    """Keep the fewest tokens that reach `mass`, those of the most expected surprise first.

    Tokens are ranked by | -log p_i - H |, with H = -sum p log p the entropy of this step: people
    say things neither too surprising nor too plain. The likeliest token may be dropped. Source:
    Meister et al. 2023 (locally typical sampling). Raises ValueError unless
    0 < mass <= 1.
    """
    _check("typical_p", mass, 0 < mass <= 1, "more than 0, up to 1 (keeps all)")
    if mass == 1:
        return logits
    log_p = logits.log_softmax(-1)
    entropy = -(log_p.exp() * log_p).nansum(-1, keepdim=True)  # 0 log 0 is 0
    distance, index = (-log_p - entropy).abs().sort(dim=-1)
    reached = logits.gather(-1, index).softmax(-1).cumsum(-1)
    # The last one needed; equals of it stay too, as `transformers` has it.
    last = (reached < mass).sum(-1, keepdim=True).clamp(max=logits.shape[-1] - 1)
    dropped = distance > distance.gather(-1, last)
    return logits.masked_fill(dropped.scatter(-1, index, dropped), float("-inf"))


def repetition_penalty(
    logits: Float[Tensor, "batch vocab"], seen: Bool[Tensor, "batch vocab"], penalty: int | float
) -> Float[Tensor, "batch vocab"]:
    """Push down the logits of tokens that were seen: l / penalty if l > 0, else l * penalty.

    Source: Keskar et al. 2019 (CTRL), section 4.1; two branches, since dividing a negative logit
    would raise it. The effect depends on where zero lies, which the softmax doesn't: adding a
    constant to all logits changes what the penalty does. Raises ValueError unless penalty > 0.
    """
    _check("repetition_penalty", penalty, penalty > 0, "more than 0; 1 changes nothing")
    punished = torch.where(logits > 0, logits / penalty, logits * penalty)
    return torch.where(seen, punished, logits)


def seen_tokens(
    tokens: Int[Tensor, "batch seq"], real: Bool[Tensor, "batch seq"], vocab_size: int
) -> Bool[Tensor, "batch vocab"]:
    """Which tokens each row holds. Padding (not `real`) doesn't count."""
    counts = torch.zeros(len(tokens), vocab_size, dtype=torch.long, device=tokens.device)
    return counts.scatter_add(1, tokens, real.long()) > 0


@dataclass(frozen=True, kw_only=True)
class Filters:
    """How to choose a token: penalty, temperature, top-k, top-p, min-p, typical, in that order.

    It is the order of `transformers`, and it matters: each filter sees what the earlier ones left,
    renormalised. Temperature 0 is greedy: the likeliest token, whatever the filters after it.
    """

    temperature: int | float = 1.0
    top_k: int | None = None
    top_p: int | float | None = None
    min_p: int | float | None = None
    typical_p: int | float | None = None
    repetition_penalty: int | float = 1.0

    def __post_init__(self) -> None:
        heat, nucleus = self.temperature, self.top_p
        least, mass, penalty = self.min_p, self.typical_p, self.repetition_penalty
        _check("temperature", heat, 0 <= heat < float("inf"), "0 (greedy) or more")
        if self.top_k is not None:
            whole = isinstance(self.top_k, int) and self.top_k >= 1
            _check("top_k", self.top_k, whole, "a whole number from 1")
        if nucleus is not None:
            _check("top_p", nucleus, 0 < nucleus <= 1, "more than 0, up to 1 (keeps all)")
        if least is not None:
            _check("min_p", least, 0 <= least <= 1, "0 (keeps all) to 1 (keeps the likeliest)")
        if mass is not None:
            _check("typical_p", mass, 0 < mass <= 1, "more than 0, up to 1 (keeps all)")
        _check("repetition_penalty", penalty, 0 < penalty < float("inf"), "more than 0, and finite")

    @property
    def greedy(self) -> bool:
        """Whether nothing is drawn at all."""
        return self.temperature == 0

    def __call__(
        self, logits: Float[Tensor, "batch vocab"], seen: Bool[Tensor, "batch vocab"] | None = None
    ) -> Float[Tensor, "batch vocab"]:
        """The logits of what may be drawn; `seen` tokens are needed for the penalty alone."""
        if self.repetition_penalty != 1.0:
            if seen is None:
                raise ValueError(
                    f"repetition_penalty is {self.repetition_penalty}, so `seen` must say which "
                    "tokens came before; it is None"
                )
            logits = repetition_penalty(logits, seen, self.repetition_penalty)
        if self.greedy:
            return logits
        logits = filter_logits(logits, self.temperature, self.top_k, self.top_p)
        if self.min_p is not None:
            logits = min_p(logits, self.min_p)
        return logits if self.typical_p is None else typical(logits, self.typical_p)

    def choose(
        self,
        logits: Float[Tensor, "batch vocab"],
        seen: Bool[Tensor, "batch vocab"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, " batch"]:
        """One token a row: the likeliest if greedy, else a draw from what the filters left."""
        kept = self(logits, seen)
        if self.greedy:
            return kept.argmax(-1)
        return torch.multinomial(kept.softmax(-1), 1, generator=generator).squeeze(1)


def _check(name: str, value: object, accepted: bool, expected: str) -> None:
    if not accepted:
        raise ValueError(f"{name} is {value}, expected {expected}")


GREEDY = Filters(temperature=0)
