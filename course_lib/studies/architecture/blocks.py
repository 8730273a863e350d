"""The parts of a block, compared: equal text, equal steps, equal parameters, several seeds.

Also the functions by which the page looks into deep decoders at their start and into mixtures of
experts as they train.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from course_lib import lineage, runtime
from course_lib.architecture.blocks.moe import expert_load, load_balance_loss, router_z_loss
from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.data.mixing.packing import Packed, batch, pack_texts
from course_lib.experiments import experiment, once
from course_lib.pretraining.loop.train import StepLog, TrainConfig, train
from course_lib.pretraining.loop.validation import validation_loss
from course_lib.pretraining.loss import cross_entropy

SEQ_LEN = 160  # the longest document of the world, and a little

VARIANTS: dict[str, dict] = {
    "the course's block": {},
    "LayerNorm": {"norm": "layer"},
    "post-norm": {"wiring": "post"},
    "QK-norm": {"qk_norm": True},
    "parallel": {"wiring": "parallel"},
    "GELU": {"mlp": "gelu", "d_ff": 264},  # two matrices of 264, where SwiGLU has three of 176
    "ReLU²": {"mlp": "relu2", "d_ff": 264},
    "untied head": {"tied": False},
    "no residual scaling": {},  # the start is changed, not the config: see `decoder`
    "post-norm, no residual scaling": {"wiring": "post"},
}
RATE_VARIANTS = ("the course's block", "post-norm", "QK-norm")
DEEP_VARIANTS = (
    "the course's block",
    "no residual scaling",
    "post-norm",
    "post-norm, no residual scaling",
)


@dataclass(frozen=True, kw_only=True)
class BlocksConfig:
    """Sizes of the comparison; `rates` are the learning rates that some variants are put to."""

    seeds: tuple[int, ...] = (0, 1, 2)
    variants: tuple[str, ...] = tuple(VARIANTS)[:-1]
    steps: int = 150
    batch_size: int = 6
    lr: float = 3e-3
    higher_lr: float = 1e-2  # at which the variants are compared once more
    rates: tuple[float, ...] = (1e-3, 1e-2, 3e-2)  # beside `lr`
    rate_steps: int = 80
    deep_model: dict = field(
        default_factory=lambda: {
            "d_model": 32,
            "n_heads": 2,
            "n_kv_heads": 1,
            "d_ff": 88,
            "n_layers": 32,
        }
    )
    deep_steps: int = 80


def sizes(vocab_size: int, **change: object) -> ModelConfig:
    """The small decoder of this study, with some of its choices changed."""
    base = {"d_model": 64, "n_layers": 4, "n_heads": 4, "n_kv_heads": 2, "d_ff": 176}
    return ModelConfig(vocab_size=vocab_size, max_seq=SEQ_LEN, **{**base, **change})


def lessons(split: str, documents: int, seed: int = 3) -> Packed:
    """Packed rows of the world's documents."""
    tokenizer = lineage.tokenizer()
    texts = [document.text for document in lineage.world().documents(split, documents, seed)]
    return pack_texts(texts, tokenizer, SEQ_LEN)


def decoder(variant: str, seed: int, **change: object) -> Decoder:
    """The variant at its start. Without residual scaling, what writes to the stream is larger."""
    tokenizer = lineage.tokenizer()
    config = sizes(tokenizer.vocab_size, **{**VARIANTS[variant], **change})
    model = Decoder(config, torch.Generator().manual_seed(seed))
    if variant.endswith("no residual scaling"):
        undo_residual_scaling(model)
    return model.to(runtime.device())


@torch.no_grad()
def undo_residual_scaling(model: Decoder) -> Decoder:
    """Matrices that write to the stream get the start of all others, N(0, 1 / d_in); in place."""
    for name, weight in model.named_parameters():
        if name.endswith(("attention.out.weight", "down.weight")):
            weight.mul_((2 * model.config.n_layers) ** 0.5)
    return model


def train_variant(
    model: Decoder, rows: Packed, config: BlocksConfig, *, lr: float, seed: int, steps: int
) -> list[StepLog]:
    """Train in place on packed documents, each token seeing its own document."""
    plan = TrainConfig(steps=steps, batch_size=config.batch_size, lr=lr, log_every=10, seed=seed)
    eos_id = lineage.tokenizer().eos_id
    return train(
        model, lambda step: batch(rows, step, config.batch_size, seed=seed), plan, eos_id=eos_id
    )


def gradient_by_block(model: Decoder, rows: Packed, n_rows: int = 4) -> dict[str, list[float]]:
    """Per block, at the present weights: the gradient's norm, and the size of the stream after it.

    The gradient is that of the loss with respect to all weights of the block, as one vector. The
    size is the root of the mean square over tokens and channels.
    """
    stream: list[float] = []
    hooks = [
        block.register_forward_hook(
            lambda module, inputs, out: stream.append(out.square().mean().sqrt().item())
        )
        for block in model.blocks
    ]
    inputs, targets = (t[:n_rows].to(model.device) for t in (rows.inputs, rows.targets))
    model.zero_grad(set_to_none=True)
    cross_entropy(model(inputs), targets).backward()
    for hook in hooks:
        hook.remove()
    norms = [
        torch.cat([w.grad.flatten() for w in block.parameters()]).norm().item()
        for block in model.blocks
    ]
    model.zero_grad(set_to_none=True)
    return {"gradient": norms, "stream": stream}


@dataclass(frozen=True, kw_only=True)
class ExpertRun:
    """What was seen while a mixture of experts trained: one row a logged step, first layer first.

    loads: shares of the experts [logs, layers, n_experts]. z: root of the z-loss, by step.
    """

    model: Decoder
    logs: list[StepLog]
    loads: Tensor
    z: list[float]


def train_experts(
    rows: Packed, *, balance: float, z: float, steps: int, batch_size: int = 6, seed: int = 0
) -> ExpertRun:
    """A decoder of 2 layers, 8 experts of width 64, 2 a token; weights of the two extra losses."""
    tokenizer = lineage.tokenizer()
    config = sizes(tokenizer.vocab_size, n_layers=2, mlp="moe", d_ff=64, n_experts=8, top_k=2)
    model = Decoder(config, torch.Generator().manual_seed(seed)).to(runtime.device())
    loads, sizes_of_z = [], []

    def loss_fn(logits: Tensor, targets: Tensor) -> Tensor:
        routings = [block.mlp.routing for block in model.blocks]
        extra = sum(balance * load_balance_loss(r) + z * router_z_loss(r) for r in routings)
        return cross_entropy(logits, targets) + extra

    def look(log: StepLog) -> None:
        routings = [block.mlp.routing for block in model.blocks]
        loads.append(torch.stack([expert_load(r).cpu() for r in routings]))
        size = torch.stack([router_z_loss(r).detach() for r in routings]).mean().sqrt()
        sizes_of_z.append(size.item())

    plan = TrainConfig(steps=steps, batch_size=batch_size, lr=3e-3, log_every=5, seed=seed)
    logs = train(
        model,
        lambda step: batch(rows, step, batch_size, seed=seed),
        plan,
        eos_id=tokenizer.eos_id,
        loss_fn=loss_fn,
        on_log=look,
    )
    return ExpertRun(model=model, logs=logs, loads=torch.stack(loads), z=sizes_of_z)


@experiment(config=BlocksConfig())
def blocks(config: BlocksConfig, work: Path, progress: Callable[[float, str], None]) -> dict:
    """Held-out loss by variant, seed and two rates, by more rates, and of decoders of 32 layers."""
    rows, held_out = lessons("train", 6_000), lessons("validation", 300, seed=7)
    plans = [
        ("variants", v, seed, lr)
        for lr in (config.lr, config.higher_lr)
        for seed in config.seeds
        for v in config.variants
    ]
    plans += [("rates", v, 0, lr) for v in RATE_VARIANTS for lr in (config.lr, *config.rates)]
    plans += [("deep", v, 0, config.lr) for v in DEEP_VARIANTS]
    found: dict[str, list[dict]] = {"variants": [], "rates": [], "deep": []}
    for number, (part, variant, seed, lr) in enumerate(plans):
        progress(number / len(plans), f"{part}: {variant}, seed {seed}, lr {lr:g}")
        made = partial(_run, part, variant, seed, lr, config, rows, held_out)
        found[part].append(once(work / f"{number}.json", made))
    return found


def _run(
    part: str,
    variant: str,
    seed: int,
    lr: float,
    config: BlocksConfig,
    rows: Packed,
    held_out: Packed,
) -> dict:
    """One run of the comparison: its losses, or at which step it stopped being finite."""
    steps = {"rates": config.rate_steps, "deep": config.deep_steps}.get(part, config.steps)
    model = decoder(variant, seed, **(config.deep_model if part == "deep" else {}))
    count = sum(weight.numel() for weight in model.parameters())
    run = {"variant": variant, "seed": seed, "lr": lr, "parameters": count}
    try:
        logs = train_variant(model, rows, config, lr=lr, seed=seed, steps=steps)
    except ValueError as error:  # the loss is no longer finite: that is a finding too
        return {**run, "stopped": str(error)}
    loss = validation_loss(model, held_out, lineage.tokenizer().eos_id).per_token
    return {**run, "held_out": round(loss, 5), "loss": [round(log.loss, 4) for log in logs]}
