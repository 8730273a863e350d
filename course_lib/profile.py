"""Profiles: every size that the book uses, in one place.

A profile says how big each stage of the lineage is. ``cpu`` fits two laptop cores and minutes,
``colab`` one T4 or L4, ``gpu`` one A100, H100 or H200 (a GPT-2-class model). The code is the same.
"""

import os
from dataclasses import dataclass, replace

from course_lib.architecture.config import ModelConfig

ROOM = 2  # a model holds twice a row of its training, so that a chat can go on past it


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Sizes of the lineage. Tokens are BPE tokens, a batch is of packed rows of ``seq_len``."""

    name: str
    # corpus
    people: int
    documents: int
    held_out_documents: int  # for validation, and as many for test
    # base model; its vocabulary is what the tokenizer is trained to
    model: ModelConfig
    pretrain_steps: int
    pretrain_batch_size: int
    pretrain_lr: float
    # supervised fine-tuning
    sft_examples: int
    sft_steps: int
    # alignment
    preference_pairs: int
    grpo_steps: int

    @property
    def vocab_size(self) -> int:
        """Tokens that the tokenizer knows."""
        return self.model.vocab_size

    @property
    def seq_len(self) -> int:
        """Tokens in a row of training."""
        return self.model.max_seq // ROOM


CPU = Profile(
    name="cpu",
    people=192,
    documents=110_000,
    held_out_documents=2_000,
    model=ModelConfig(
        vocab_size=768, d_model=96, n_layers=4, n_heads=3, n_kv_heads=1, d_ff=304, max_seq=384
    ),
    pretrain_steps=4_000,
    pretrain_batch_size=6,
    pretrain_lr=2.5e-3,
    sft_examples=12_000,
    sft_steps=360,
    preference_pairs=600,
    grpo_steps=40,
)
COLAB = replace(
    CPU,
    name="colab",
    people=1_024,
    documents=400_000,
    model=ModelConfig.from_depth(6, vocab_size=2_048, max_seq=512),
    pretrain_batch_size=64,
    pretrain_lr=1e-3,
)
GPU = replace(
    CPU,
    name="gpu",
    people=4_096,
    documents=2_000_000,
    model=ModelConfig.from_depth(12, vocab_size=4_096, max_seq=1_024),
    pretrain_steps=6_000,
    pretrain_batch_size=128,
    pretrain_lr=6e-4,
)
PROFILES = {profile.name: profile for profile in (CPU, COLAB, GPU)}


def current() -> Profile:
    """The profile named by ``COURSE_PROFILE``; cpu where it isn't set."""
    return named(os.environ.get("COURSE_PROFILE", CPU.name))


def named(name: str) -> Profile:
    """A profile by name: cpu, colab, gpu or auto.

    ``auto`` looks at the accelerator: none is cpu, under 40 GB is colab, more is gpu.
    Raises ValueError for any other name.
    """
    if name == "auto":
        name = _detect()
    if name not in PROFILES:
        known = ", ".join(PROFILES)
        raise ValueError(f"profile {name!r}: expected one of {known}, auto (COURSE_PROFILE)")
    return PROFILES[name]


def _detect() -> str:
    import torch

    if not torch.cuda.is_available():
        return "cpu"
    gigabytes = torch.cuda.get_device_properties(0).total_memory / 1e9
    return "gpu" if gigabytes >= 40 else "colab"
