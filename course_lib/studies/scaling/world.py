"""A grid of real runs on the micro-world's own text, whose entropy is known exactly.

Each branch is judged by its held-out loss and by what it thinks of the answers to the world's
questions.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from course_lib import lineage
from course_lib.architecture.accounting.formulas import count_parameters, training_flops
from course_lib.architecture.decoder import Decoder, ModelConfig, save_model
from course_lib.data.mixing.packing import IGNORE, Packed, batch
from course_lib.evaluation.likelihood import Pair, score_pairs
from course_lib.experiments import experiment, once
from course_lib.scaling.downstream import metrics
from course_lib.scaling.laws.grid import BranchConfig, trunk_and_branches
from course_lib.studies.pretraining.texts import texts
from course_lib.world.questions import Question


@dataclass(frozen=True, kw_only=True)
class WorldGridConfig:
    """Sizes as (width, layers, heads), budgets in steps of batch_size x seq_len tokens."""

    sizes: tuple[tuple[int, int, int], ...] = (
        (16, 2, 1),
        (32, 3, 1),
        (48, 3, 2),
        (64, 4, 2),
    )
    steps: tuple[int, ...] = (100, 200, 400, 800, 1_600)
    batch_size: int = 6
    seq_len: int = 192
    lr: float = 3e-3  # of width 48; falls as 1 / sqrt(width)
    warmup_steps: int = 40
    train_documents: int = 60_000
    held_out_documents: int = 800
    questions: int = 120  # of each kind
    seed: int = 0

    def model(self, size: tuple[int, int, int], vocab_size: int) -> ModelConfig:
        """One size's decoder, in the shape of the course's base model."""
        width, layers, heads = size
        return ModelConfig(
            vocab_size=vocab_size,
            d_model=width,
            n_layers=layers,
            n_heads=heads,
            n_kv_heads=1,
            d_ff=8 * round(width / 3),
            max_seq=2 * self.seq_len,
        )

    def branches(self, width: int) -> BranchConfig:
        """The runs of one size."""
        rate = self.lr * (48 / width) ** 0.5
        return BranchConfig(steps=self.steps, lr=rate, warmup_steps=self.warmup_steps)


class WithinDocuments(nn.Module):
    """A decoder whose tokens see their own document alone, as a plain function of tokens."""

    def __init__(self, model: Decoder, eos_id: int):
        super().__init__()
        self.model, self.eos_id = model, eos_id

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.model(tokens, documents=(tokens == self.eos_id).cumsum(1))


@dataclass(frozen=True)
class Material:
    """Packed rows to train on and to be judged by, the floor of the latter, and the questions."""

    train: Packed
    held_out: Packed
    floor: float
    questions: dict[str, list[Pair]]


def material(config: WorldGridConfig) -> Material:
    """From the lineage's corpus and tokenizer; the floor is in nats a held-out token."""
    read = texts(config.seq_len, config.train_documents, config.held_out_documents)
    return Material(read.training, read.held_out, read.floor, answer_pairs(config))


def answer_pairs(config: WorldGridConfig) -> dict[str, list[Pair]]:
    """Questions of the test split by kind, counts by their number of steps as well."""
    tokenizer, world = lineage.tokenizer(), lineage.world()
    found: dict[str, list[Pair]] = {}
    for kind in ("fact", "sum", "where", "count"):
        for question in world.questions("test", config.questions, 0, kinds=(kind,)):
            before, answer = _texts(world, question)
            whole, start = tokenizer.encode(before + answer), tokenizer.encode(before)
            at = len(start) if whole[: len(start)] == start else None
            tail = whole[at:] if at is not None else tokenizer.encode(answer)
            name = f"count {question.steps}" if kind == "count" else kind
            found.setdefault(name, []).append(([tokenizer.eos_id, *start], tail))
    return found


def _texts(world, question: Question) -> tuple[str, str]:
    """What stands before the deciding words, and those words; a count shows its sums."""
    prompt = world.few_shot(question)
    if question.kind == "where":
        lead = question.answer.removesuffix(f" {question.gold}.")
        return f"{prompt} {lead}", f" {question.gold}."
    if question.kind == "count":
        first = question.meta["first_words"]
        return f"{prompt} {first}", question.worked.removeprefix(first)
    return prompt, f" {question.gold}."


@torch.no_grad()
def held_out_loss(model: nn.Module, held_out: Packed, rows: int = 32) -> float:
    """Mean nats a token over the held-out rows."""
    total = 0.0
    for start in range(0, len(held_out), rows):
        logits = model(held_out.inputs[start : start + rows]).flatten(0, 1)
        targets = held_out.targets[start : start + rows].flatten()
        total += F.cross_entropy(logits, targets, ignore_index=IGNORE, reduction="sum").item()
    return total / held_out.tokens


def run_size(config: WorldGridConfig, size: tuple, data: Material, work: Path) -> list[dict]:
    """All budgets of one size: loss and the metrics of every kind of question."""
    tokenizer = lineage.tokenizer()
    shape = config.model(size, tokenizer.vocab_size)
    decoder = Decoder(shape, generator=torch.Generator().manual_seed(config.seed))
    model = WithinDocuments(decoder, tokenizer.eos_id)
    judged: list[dict] = []

    def judge(trained: nn.Module) -> float:
        loss = held_out_loss(trained, data.held_out)
        answers = {k: metrics(score_pairs(trained.model, p)) for k, p in data.questions.items()}
        save_model(trained.model, work / f"model-{size[0]}-{config.steps[len(judged)]}")
        judged.append({"loss": loss, "answers": answers})
        return loss

    trunk_and_branches(
        model,
        lambda step: batch(data.train, step, config.batch_size, seed=config.seed),
        judge,
        config.branches(size[0]),
    )
    counted = count_parameters(shape)
    flops = training_flops(shape, config.seq_len, config.seq_len) / config.seq_len
    share = data.train.tokens / data.train.targets.numel()  # the rest is padding
    return [
        {
            "size": list(size),
            "n": counted.total,
            "n_body": counted.non_embedding,
            "d": round(steps * config.batch_size * config.seq_len * share),
            "flops_a_token": flops,
            **one,
        }
        for steps, one in zip(config.steps, judged, strict=True)
    ]


@experiment(config=WorldGridConfig())
def world_grid(config: WorldGridConfig, work: Path, progress: Callable[[float, str], None]) -> dict:
    """Every size, the smallest first; each is kept when done, its models in ``work``."""
    data = material(config)
    runs: list[dict] = []
    for number, size in enumerate(config.sizes):
        progress(number / len(config.sizes), f"width {size[0]}")
        runs += once(work / f"size-{size[0]}.json", partial(run_size, config, size, data, work))
    return {"floor": data.floor, "runs": runs, "config": asdict(config)}
