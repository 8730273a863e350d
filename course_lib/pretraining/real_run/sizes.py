"""The sizes of a run: what the command line doesn't say follows from a profile, or from depth."""

from dataclasses import dataclass, replace
from pathlib import Path

from course_lib import runtime
from course_lib.architecture.accounting.formulas import count_parameters
from course_lib.architecture.config import ModelConfig
from course_lib.data.mixing.shards import Shards
from course_lib.profile import ROOM, Profile

TOKENS_A_WEIGHT = 20  # Hoffmann et al. 2022, table 3, at our sizes


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """A model, how long and how fast it is trained, and where."""

    model: ModelConfig
    seq_len: int
    batch_size: int
    steps: int
    lr: float
    device: str


def sized(
    profile: Profile,
    tokens: Path,
    depth: int | None = None,
    steps: int | None = None,
    batch_size: int | None = None,
    seq_len: int | None = None,
    lr: float | None = None,
) -> Sizes:
    """All sizes, from those that were given and the shards' vocabulary.

    With ``depth``, model, learning rate and steps follow from it; seq_len and batch_size are the
    profile's in any case. A 0 was said by somebody: it is refused later, not replaced.
    """
    vocab_size = Shards(tokens).vocab_size
    seq_len = profile.seq_len if seq_len is None else seq_len
    batch_size = profile.pretrain_batch_size if batch_size is None else batch_size
    if depth is None:
        model = replace(profile.model, vocab_size=vocab_size, max_seq=ROOM * seq_len)
        usual_steps, usual_lr = profile.pretrain_steps, profile.pretrain_lr
    else:
        model = ModelConfig.from_depth(depth, vocab_size, max_seq=ROOM * seq_len)
        usual_steps = max(1, tokens_of(model) // max(1, batch_size * seq_len))
        usual_lr = lr_of(model)
    return Sizes(
        model=model,
        seq_len=seq_len,
        batch_size=batch_size,
        steps=usual_steps if steps is None else steps,
        lr=usual_lr if lr is None else lr,
        device=runtime.device(profile).type,
    )


def tokens_of(model: ModelConfig) -> int:
    """Tokens to train on: 20 for each weight of a matrix, the head's included.

    The count of weights is nanochat's (Karpathy 2025, base_train.py: the blocks' matrices and the
    head). Deviation: it has 12 tokens a weight, fitted to its own text and optimizer.
    """
    counted = count_parameters(model)
    return TOKENS_A_WEIGHT * (counted.total - counted.norms)


def lr_of(model: ModelConfig) -> float:
    """6e-4 at a width of 768, as the smallest GPT-3 has it (Brown et al. 2020, table 2.1).

    Other widths by the inverse square root, nanochat's rule for AdamW (gpt.py, setup_optimizer).
    """
    return 6e-4 * (768 / model.d_model) ** 0.5
