"""The artifact `aligned`: the chat model after DPO on correctness and GRPO on a strict reward."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from course_lib.alignment.grpo import GrpoConfig, grpo
from course_lib.alignment.pairs import collect_pairs
from course_lib.alignment.preferences import Pair, PreferenceConfig, train_preferences
from course_lib.alignment.reward import strict
from course_lib.alignment.rollout import rollout
from course_lib.architecture.decoder import Decoder, load_model, save_model
from course_lib.data.recipe import read_world
from course_lib.data.tokenization.tokenizer import Tokenizer
from course_lib.sft.recipe import accuracies
from course_lib.world import Question, World

PAIR_SHARES = {"fact": 0.32, "sum": 0.1, "where": 0.28, "count": 0.3}
GRPO_SHARES = {"fact": 0.15, "sum": 0.1, "where": 0.4, "count": 0.35}


@dataclass(frozen=True, kw_only=True)
class AlignedConfig:
    """pairs: preference pairs for DPO; grpo_steps: steps of 16 questions with 8 replies each."""

    pairs: int
    grpo_steps: int
    seed: int = 0
    preference: PreferenceConfig = field(default_factory=lambda: PreferenceConfig(lr=2e-4))
    exam_questions: int = 100

    def policy(self) -> GrpoConfig:
        """The GRPO run at this size."""
        return GrpoConfig(steps=self.grpo_steps, lr=2e-4, seed=self.seed)


def mixed_questions(
    world: World, shares: dict[str, float], number: int, seed: int, split: str = "train"
) -> list[Question]:
    """About `number` questions, each kind with its share, shuffled."""
    rng = random.Random(seed)
    questions = [
        question
        for kind, share in shares.items()
        for question in world.questions(
            split, max(1, round(share * number)), rng.randrange(2**31), kinds=(kind,)
        )
    ]
    rng.shuffle(questions)
    return questions


def sample_pairs(
    model: Decoder, tokenizer: Tokenizer, world: World, *, wanted: int, seed: int
) -> list[Pair]:
    """Right against wrong replies of the model itself, on training questions."""
    generator = torch.Generator(next(model.parameters()).device).manual_seed(seed)
    return collect_pairs(
        lambda asked: rollout(model, tokenizer, asked, samples=4, generator=generator),
        mixed_questions(world, PAIR_SHARES, 6 * wanted, seed),
        strict(world),
        wanted=wanted,
        seed=seed,
    )


def build_aligned(
    config: AlignedConfig,
    parents: dict[str, Path],
    out: Path,
    work: Path,
    progress: Callable[[float, str], None],
    *,
    device: torch.device | str = "cpu",
) -> dict[str, float]:
    """DPO on pairs sampled from the model, then GRPO; both held to their start by the reference."""
    tokenizer = Tokenizer.load(parents["tokenizer"] / "tokenizer.json")
    world = read_world(parents["corpus"])
    preferred = work / "preferred"
    if not (preferred / "config.json").exists():  # config.json is written last
        model = load_model(parents["sft"]).to(device)
        progress(0.0, "sampling pairs")
        pairs = sample_pairs(model, tokenizer, world, wanted=config.pairs, seed=config.seed)
        train_preferences(model, pairs, config.preference, pad_id=tokenizer.eos_id)
        save_model(model, preferred)
    model = load_model(preferred).to(device)
    run = config.policy()
    questions = mixed_questions(world, GRPO_SHARES, run.steps * run.questions, config.seed + 1_000)
    logs = grpo(
        model,
        tokenizer,
        lambda step: questions[step * run.questions : (step + 1) * run.questions],
        strict(world),
        run,
        on_log=lambda log, _: progress(
            log.step / run.steps, f"step {log.step}, reward {log.reward:.2f}"
        ),
    )
    save_model(model, out)
    figures = accuracies(model, tokenizer, world, split="validation", number=config.exam_questions)
    return figures | {"kl_nats_per_token": logs[-1].kl, "reward": logs[-1].reward}
