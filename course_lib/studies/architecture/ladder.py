"""The ladder: from GPT to today's decoder, one change at a time, at equal compute.

Every rung keeps the FLOPs of a token (`flops_per_token` counts them): what a change saves or costs
goes to or comes from the feed-forward width. All rungs see the same batches in the same order, seed
by seed, so a step's gain is a mean of paired differences. Each rung trains at every rate of the
config with a seed of its own, and with the judged seeds at its best: none is judged at another's.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from course_lib import lineage
from course_lib.architecture.blocks.moe import load_balance_loss
from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.data.mixing.packing import batch
from course_lib.experiments import experiment, once
from course_lib.pretraining.loop.train import StepLog, TrainConfig, train
from course_lib.pretraining.loop.validation import validation_loss
from course_lib.pretraining.loss import cross_entropy
from course_lib.studies.pairs import best_inside, mean_and_half_width
from course_lib.studies.pretraining.texts import Texts, texts

BALANCE = 0.01  # weight of the load-balance loss: Fedus et al. 2022, section 2.2


@dataclass(frozen=True, kw_only=True)
class LadderConfig:
    """How long and how often.

    Losses are taken after `early` steps, which a page can repeat, and at the end, on `held_out`
    documents of the validation split.
    """

    tuning_seed: int = 0  # chooses the rates and is not judged
    seeds: tuple[int, ...] = (1, 2, 3, 4)
    rates: tuple[float, ...] = (4e-3, 8e-3, 16e-3)  # and beyond, while the best is at the edge
    steps: int = 500
    early: int = 80
    rows: int = 4
    seq: int = 192
    documents: int = 10_000
    held_out: int = 600

    def texts(self) -> Texts:
        """What the rungs read."""
        return texts(self.seq, self.documents, self.held_out)

    def run(self, lr: float, seed: int) -> TrainConfig:
        """The training loop's configuration; it logs where the loss is judged."""
        return TrainConfig(
            steps=self.steps, batch_size=self.rows, lr=lr, seed=seed, log_every=self.early
        )


def rungs(vocab_size: int, seq: int) -> dict[str, ModelConfig]:
    """The configs from the bottom up: each is the one before with one thing changed."""
    gpt = ModelConfig(
        vocab_size=vocab_size,
        d_model=64,
        n_layers=3,
        n_heads=4,
        n_kv_heads=4,
        d_ff=256,
        max_seq=seq,
        norm="layer",
        wiring="post",
        position="learned",
        mlp="gelu",
        bias=True,
    )
    changes = {
        "norm before, not after": {"wiring": "pre"},
        "RMSNorm for LayerNorm": {"norm": "rms"},
        "no biases": {"bias": False},
        "RoPE for learned positions": {"position": "rope"},
        "SwiGLU for GELU": {"mlp": "swiglu", "d_ff": 171},
        "one key head for four queries": {"n_kv_heads": 1, "d_ff": 203},
        "queries and keys normalised": {"qk_norm": True},
        "2 of 4 experts": {"mlp": "moe", "n_experts": 4, "top_k": 2, "d_ff": 101},
    }
    ladder = {"GPT": gpt}
    for name, change in changes.items():
        ladder[name] = replace(list(ladder.values())[-1], **change)
    return ladder


@dataclass(frozen=True, kw_only=True)
class Result:
    """One run: held-out nats a token after `early` steps and at the end."""

    rung: str
    seed: int
    lr: float
    early: float
    final: float


def climb(
    model_config: ModelConfig, lr: float, seed: int, config: LadderConfig, until: int | None = None
) -> dict[int, float]:
    """Train one rung, at most `until` the given step; held-out nats a token by step.

    They are taken after `early` steps and at the end. The schedule is that of the whole run.
    """
    data, losses = config.texts(), {}
    model = Decoder(model_config, torch.Generator().manual_seed(seed))

    def loss_of(logits: Tensor, targets: Tensor) -> Tensor:
        loss = cross_entropy(logits, targets)
        if model_config.mlp == "moe":
            loss = loss + BALANCE * sum(load_balance_loss(b.mlp.routing) for b in model.blocks)
        return loss

    def judge(log: StepLog) -> None:
        if log.step in (config.early, config.steps):
            losses[log.step] = validation_loss(model, data.held_out, data.eos_id).per_token

    train(
        model,
        lambda step: batch(data.training, step, config.rows, seed=seed),
        config.run(lr, seed),
        eos_id=data.eos_id,
        loss_fn=loss_of,
        on_log=judge,
        until=until,
    )
    return losses


def flops_per_token(config: ModelConfig, seq: int) -> float:
    """FLOPs of a forward pass a token, counted by torch: attention written out, experts as used."""
    tokens = torch.zeros(1, seq, dtype=torch.long)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        Decoder(config)(tokens)
    return counter.get_total_flops() / seq


@experiment(config=LadderConfig())
def ladder(config: LadderConfig, work: Path, progress: Callable[[float, str], None]) -> dict:
    """Every rung at its best rate, by the tuning seed, under every seed. Runs lie in `work`."""
    models = rungs(lineage.tokenizer().vocab_size, config.seq)
    total, results = len(models) * (len(config.rates) + len(config.seeds)), []

    def run(rung: str, lr: float, seed: int) -> Result:
        progress(min(1.0, len(results) / total), f"{rung}, rate {lr:g}, seed {seed}")

        def climbed() -> dict:
            losses = climb(models[rung], lr, seed, config)
            return {"early": losses[config.early], "final": losses[config.steps]}

        kept = once(work / f"{rung}, {lr:g}, {seed}.json", climbed)
        ends = {"early": kept["early"], "final": kept["final"]}
        results.append(Result(rung=rung, seed=seed, lr=lr, **ends))
        return results[-1]

    best = {}
    for rung in models:
        best[rung] = best_inside(
            lambda lr, rung=rung: run(rung, lr, config.tuning_seed).final, config.rates
        )
    for seed in config.seeds:
        for rung in models:
            run(rung, best[rung], seed)
    sizes = [
        {
            "rung": rung,
            "parameters": sum(weight.numel() for weight in Decoder(model).parameters()),
            "flops": flops_per_token(model, config.seq),
            "lr": best[rung],
        }
        for rung, model in models.items()
    ]
    return {
        "rungs": sizes,
        "runs": [asdict(result) for result in results],
        "floor": config.texts().floor,
        "held_out_tokens": config.texts().held_out.tokens,
    }


@dataclass(frozen=True)
class Step:
    """What one change gained: nats a token less than the rung below, seed by seed."""

    rung: str
    losses: list[float]
    gains: list[float]

    @property
    def gain(self) -> float:
        return statistics.mean(self.gains)

    @property
    def half_width(self) -> float:
        """Half of the 95 % interval of the mean gain, taken by itself: t s / sqrt(n)."""
        return mean_and_half_width(self.gains)[1]


def steps_of(data: dict, seeds: Sequence[int]) -> list[Step]:
    """The runs of `seeds` as steps, from the bottom up; the lowest rung gains nothing."""
    found: list[Step] = []
    judged = [run for run in data["runs"] if run["seed"] in seeds]
    for size in data["rungs"]:
        runs = [r for r in judged if r["rung"] == size["rung"] and r["lr"] == size["lr"]]
        losses = [run["final"] for run in sorted(runs, key=lambda run: run["seed"])]
        below = found[-1].losses if found else losses
        gains = [low - high for low, high in zip(below, losses, strict=True)]
        found.append(Step(size["rung"], losses, gains))
    return found
