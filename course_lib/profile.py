"""Profiles: every size that the book uses, in one place.

A profile says how big each stage of the lineage is. ``cpu`` fits two laptop cores and minutes,
``colab`` one T4 or L4, ``gpu`` one A100, H100 or H200 (a GPT-2-class model). The code is the same.
"""

import os
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Sizes of the lineage. Tokens are BPE tokens, rows are packed sequences of ``seq_len``."""

    name: str
    # corpus and tokenizer
    people: int = 192
    documents: int = 110_000
    held_out_documents: int = 2_000
    vocab_size: int = 768
    seq_len: int = 192
    # base model
    d_model: int = 96
    n_layers: int = 4
    n_heads: int = 3
    n_kv_heads: int = 1
    d_ff: int = 304
    pretrain_steps: int = 4_000
    pretrain_rows: int = 6
    pretrain_lr: float = 2.5e-3
    # supervised fine-tuning
    sft_examples: int = 12_000
    sft_steps: int = 360
    # alignment
    preference_pairs: int = 600
    grpo_steps: int = 40

    def __post_init__(self):
        if self.d_model % self.n_heads:
            raise ValueError(f"d_model={self.d_model} must be a multiple of n_heads={self.n_heads}")
        if self.n_heads % self.n_kv_heads:
            raise ValueError(
                f"n_heads={self.n_heads} must be a multiple of n_kv_heads={self.n_kv_heads}"
            )


CPU = Profile(name="cpu")
COLAB = replace(
    CPU,
    name="colab",
    people=1_024,
    documents=400_000,
    vocab_size=2_048,
    d_model=384,
    n_layers=6,
    n_heads=6,
    n_kv_heads=2,
    d_ff=1_024,
    seq_len=256,
    pretrain_steps=4_000,
    pretrain_rows=64,
    pretrain_lr=1e-3,
)
GPU = replace(
    CPU,
    name="gpu",
    people=4_096,
    documents=2_000_000,
    vocab_size=4_096,
    d_model=768,
    n_layers=12,
    n_heads=12,
    n_kv_heads=4,
    d_ff=2_048,
    seq_len=512,
    pretrain_steps=6_000,
    pretrain_rows=128,
    pretrain_lr=6e-4,
)
PROFILES = {profile.name: profile for profile in (CPU, COLAB, GPU)}


def current() -> Profile:
    """The profile named by ``COURSE_PROFILE``: cpu (the default), colab, gpu or auto.

    ``auto`` looks at the accelerator: none is cpu, under 40 GB is colab, more is gpu.
    Raises ValueError for any other name.
    """
    name = os.environ.get("COURSE_PROFILE", "cpu")
    if name == "auto":
        name = _detect()
    if name not in PROFILES:
        raise ValueError(f"COURSE_PROFILE={name!r}: expected one of {', '.join(PROFILES)}, auto")
    return PROFILES[name]


def _detect() -> str:
    import torch

    if not torch.cuda.is_available():
        return "cpu"
    gigabytes = torch.cuda.get_device_properties(0).total_memory / 1e9
    return "gpu" if gigabytes >= 40 else "colab"
