"""The loss of pretraining, and what its batches hold: targets left out, documents kept apart."""

from jaxtyping import Float, Int
from torch import Tensor

from course_lib.architecture.ops import at_least_float32
from course_lib.data.mixing.packing import IGNORE

Batch = tuple[Tensor, Tensor]


def cross_entropy(
    logits: Float[Tensor, "batch seq vocab"], targets: Int[Tensor, "batch seq"]
) -> Float[Tensor, ""]:
    """Mean of -log p(target) in nats over the targets that are not IGNORE.

    -log softmax(z)_y = logsumexp(z) - z_y. The library twin is torch.nn.functional.cross_entropy.
    Logits at an IGNORE may be anything, NaN too: they are left out, not multiplied by 0. Float64
    stays float64. Raises ValueError where every target is IGNORE: there is no mean of nothing.
    """
    kept = targets != IGNORE
    if not kept.any():
        raise ValueError(f"targets: all are {IGNORE}, so there is no token to take the loss of")
    logits = at_least_float32(logits)
    picked = logits.gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    return (logits.logsumexp(-1) - picked).where(kept, 0.0).sum() / kept.sum()


def document_ids(
    inputs: Int[Tensor, "batch seq"], eos_id: int | None
) -> Int[Tensor, "batch seq"] | None:
    """Which document of its row each token belongs to: one more at every ``eos_id``."""
    return None if eos_id is None else (inputs == eos_id).cumsum(1)
