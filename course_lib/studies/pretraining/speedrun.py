"""How low in 120 core-seconds? nanoGPT's recipe against the course's fastest one, on real text.

The text is the standard library's source, whole files held out; one tokenizer. The contestants take
steps in turn in one process, each until it has spent its own core-seconds (process CPU time; what
is compiled before the first step isn't counted), on a schedule that follows its own clock. What
counts is bits a byte on the held-out files.
"""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.architecture.decoder import WRITES, Decoder, ModelConfig
from course_lib.data.mixing.windows import random_windows
from course_lib.data.sources.source import source
from course_lib.data.tokenization.tokenizer import train_bpe
from course_lib.experiments import experiment, once
from course_lib.pretraining.optimizers.adamw import param_groups
from course_lib.pretraining.optimizers.muon import Muon, muon_groups
from course_lib.pretraining.schedules.rates import cosine, wsd
from course_lib.pretraining.speed.fast import FastConfig, HeadLoss, fast_hidden, keep_pages
from course_lib.pretraining.speed.peers import NanoGPTShaped, Shape
from course_lib.studies.pairs import best_inside

PAIR_PRIME = 36_313  # spreads pairs of tokens over the table; any odd number of its size does


@dataclass(frozen=True, kw_only=True)
class SpeedrunConfig:
    """Both contestants' sizes and budget, and the rates of each."""

    contestants: tuple[str, ...] = ("nanoGPT", "ours")
    core_seconds: float = 120.0
    megabytes: float = 9.0
    held_out_bytes: int = 300_000
    vocab: int = 2048
    d_model: int = 128
    n_layers: int = 4
    n_heads: int = 4
    seq: int = 128
    batch_size: int = 16
    nanogpt_lr: float = 1e-3
    nanogpt_trials: tuple[float, ...] = (
        1e-3,
        2e-3,
        4e-3,
    )  # and beyond, while the best is at the edge
    matrix_lr: float = 0.02
    embed_lr: float = 0.1
    head_lr: float = 0.004
    rounds: int = 5
    pairs: int = 16_384
    seed: int = 0
    repeats: int = 3  # judged seeds of the record: seed + 1, …; `seed` chooses nanoGPT's rate
    compile: bool = True

    def __post_init__(self) -> None:
        for name in self.contestants:
            if name not in RECIPES:
                raise ValueError(f"contestants: {name!r} is not one of {', '.join(RECIPES)}")
        if not self.core_seconds > 0:
            raise ValueError(f"core_seconds={self.core_seconds}: expected more than 0")

    @property
    def shape(self) -> Shape:
        """As the peers take it."""
        return Shape(
            "speedrun",
            self.d_model,
            self.n_layers,
            self.n_heads,
            self.seq,
            self.vocab,
            self.batch_size,
        )


@dataclass(frozen=True)
class Text:
    """Token ids of the training files, held-out rows [row seq + 1], and the bytes of the latter."""

    train: Int[Tensor, " tokens"]
    held_out: Int[Tensor, "rows seq_and_one"]
    held_out_bytes: float


def stdlib_text(config: SpeedrunConfig) -> Text:
    """The standard library's files in a fixed random order: held out first, then training."""
    files = [record.text for record in source("python_code")]
    random.Random(config.seed).shuffle(files)
    held, rest, size = [], [], 0
    for text in files:
        (held if size < config.held_out_bytes else rest).append(text)
        size += len(text.encode())
        if size > config.held_out_bytes + 1e6 * config.megabytes:
            break
    tokenizer = train_bpe(rest[: len(rest) // 3], config.vocab)
    end = [tokenizer.eos_id]

    def stream(texts: list[str]) -> Tensor:
        return torch.tensor([i for ids in tokenizer.encode_batch(texts) for i in end + ids] + end)

    ids, block = stream(held), config.seq * config.batch_size
    blocks = (len(ids) - 1) // block
    rows = ids[: blocks * block + 1].unfold(0, config.seq + 1, config.seq)
    read = rows[:, 1:].flatten().tolist()  # each of these tokens is predicted once
    return Text(
        stream(rest),
        rows,
        float(len(tokenizer.decode_bytes([i for i in read if i != tokenizer.eos_id]))),
    )


class Fast(nn.Module):
    """The course's decoder by its fast path, with a table of token pairs beside the embedding.

    Squared ReLU, queries and keys normalised, a head of its own; what writes to the stream, and the
    head, start at 0 (then the first loss is ln V exactly). The vector of the pair (token before,
    token) comes from a hashed table: it costs a look-up where another layer would cost products.
    """

    def __init__(self, config: SpeedrunConfig) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(config.seed)
        self.decoder = Decoder(
            ModelConfig(
                vocab_size=config.vocab,
                d_model=config.d_model,
                n_layers=config.n_layers,
                n_heads=config.n_heads,
                n_kv_heads=config.n_heads,
                d_ff=4 * config.d_model,
                max_seq=config.seq,
                mlp="relu2",
                qk_norm=True,
                tied=False,
            ),
            generator,
        )
        for name, weight in self.decoder.named_parameters():
            if name.endswith((*WRITES, "head.weight")):
                nn.init.zeros_(weight)
        nn.init.normal_(self.decoder.embed.weight, generator=generator)
        self.pairs = nn.Embedding(max(config.pairs, 1), config.d_model)
        nn.init.zeros_(self.pairs.weight)
        self.n_pairs = config.pairs
        self.arrangement = FastConfig(query_blocks=2, head_rows=512)

    def forward(self, tokens: Tensor, targets: Tensor) -> Float[Tensor, ""]:
        """Mean loss in nats."""
        x = F.embedding(tokens, self.decoder.embed.weight)
        if self.n_pairs:
            before = F.pad(tokens[:, :-1], (1, 0))
            pair = (before * PAIR_PRIME + tokens) % self.n_pairs
            x = x + F.embedding(pair, self.pairs.weight)
        x = F.rms_norm(x, (x.shape[-1],))
        x = fast_hidden(self.decoder, self.arrangement, x).flatten(0, 1)
        return HeadLoss.apply(x, self.decoder.head.weight, targets.flatten(), 512) / len(x)


@dataclass(kw_only=True)
class Runner:
    """A contestant: model, compiled loss, optimizer, schedule, and what it has spent."""

    name: str
    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Callable[[float], float]
    clip: float | None
    budget: float
    compile: bool = True
    spent: float = 0.0
    steps: int = 0
    curve: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.loss_of = self.model
        if self.compile:
            self.loss_of = torch.compile(self.model, dynamic=False, fullgraph=True)
        self.peaks = [group["lr"] for group in self.optimizer.param_groups]

    def warm_up(self, inputs: Tensor, targets: Tensor) -> None:
        """Compile, forward and backward, outside the budget; no weight moves."""
        self.loss_of(inputs, targets).backward()
        self.optimizer.zero_grad()

    def step(self, inputs: Tensor, targets: Tensor) -> None:
        """One step of training on this contestant's own clock."""
        began = time.process_time()
        rate = self.schedule(min(1.0, self.spent / self.budget))
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * rate
        loss = self.loss_of(inputs, targets)
        loss.backward()
        if self.clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip, foreach=True)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.curve.append((self.spent, loss.item()))
        self.steps += 1
        self.spent += time.process_time() - began

    def bits_per_byte(self, text: Text, rows: int) -> float:
        """On the held-out rows; with gradients on, so that nothing is compiled again."""
        nats = sum(
            self.loss_of(part[:, :-1].contiguous(), part[:, 1:].contiguous()).item()
            * part[:, 1:].numel()
            for part in text.held_out.split(rows)
        )
        return nats / math.log(2) / text.held_out_bytes


def nanogpt_recipe(config: SpeedrunConfig) -> Runner:
    """nanoGPT's recipe for small data: AdamW, 2 % warm-up, cosine to a tenth, clipped at 1."""
    torch.manual_seed(config.seed)
    model = NanoGPTShaped(config.shape)
    optimizer = torch.optim.AdamW(
        param_groups(model, 0.1), lr=config.nanogpt_lr, betas=(0.9, 0.99), fused=True
    )
    return Runner(
        name="nanoGPT",
        model=model,
        optimizer=optimizer,
        clip=1.0,
        schedule=lambda done: cosine(max(done, 2e-3), warmup=0.02, floor=0.1),
        budget=config.core_seconds,
        compile=config.compile,
    )


def fastest_recipe(config: SpeedrunConfig) -> Runner:
    """Muon for matrices, Adam for tables and head; 2 % warm-up, 60 % linear cool-down, no decay."""
    model = Fast(config)
    groups = muon_groups(model, config.matrix_lr, config.head_lr, config.embed_lr)
    head = id(model.decoder.head.weight)
    for group in groups:  # `muon_groups` knows a head by its name at the top of a model
        if any(id(p) == head for p in group["params"]) and not group["adam"]:
            group["params"] = [p for p in group["params"] if id(p) != head]
            groups.append(
                {"params": [model.decoder.head.weight], "lr": config.head_lr, "adam": True}
            )
            break
    optimizer = Muon(groups, rounds=config.rounds, dtype=torch.float32)
    return Runner(
        name="ours",
        model=model,
        optimizer=optimizer,
        clip=None,
        schedule=lambda done: wsd(max(done, 2e-3), warmup=0.02, decay=0.6, floor=0.0),
        budget=config.core_seconds,
        compile=config.compile,
    )


RECIPES: dict[str, Callable[[SpeedrunConfig], Runner]] = {
    "nanoGPT": nanogpt_recipe,
    "ours": fastest_recipe,
}


def batch_of(text: Text, config: SpeedrunConfig, step: int) -> tuple[Tensor, Tensor]:
    """Windows anywhere in the text, as nanoGPT draws them."""
    return random_windows(
        text.train, step, seq_len=config.seq, batch_size=config.batch_size, seed=config.seed
    )


def race(config: SpeedrunConfig, text: Text, say: Callable[[float, str], None]) -> list[Runner]:
    """All contestants until each has spent its budget; who has spent least is next."""
    keep_pages()
    runners = [RECIPES[name](config) for name in config.contestants]
    for runner in runners:
        runner.warm_up(*batch_of(text, config, 0))
    while (runner := min(runners, key=lambda r: r.spent)).spent < config.core_seconds:
        runner.step(*batch_of(text, config, runner.steps))
        if runner.steps % 50 == 0:
            recent = [loss for _, loss in runner.curve[-50:]]
            say(
                runner.spent / config.core_seconds,
                f"{runner.name} step {runner.steps}, loss {sum(recent) / 50:.3f}",
            )
    return runners


@experiment(config=SpeedrunConfig())
def speedrun(config: SpeedrunConfig, work: Path, progress: Callable[[float, str], None]) -> dict:
    """Bits a byte of each contestant on held-out files, its steps, and its curve (every tenth).

    nanoGPT's rate is the best of its trials at `config.seed`; then all race at the seeds after it.
    The text is that of `config.seed` throughout.
    """
    torch.set_num_threads(1)
    text = stdlib_text(config)
    progress(0.0, f"{len(text.train)} tokens, {text.held_out_bytes:.0f} bytes held out")
    trials = {}

    def trial(rate: float) -> float:
        alone = replace(config, contestants=("nanoGPT",), nanogpt_lr=rate)
        trials[rate] = _kept(work / f"rate-{rate}.json", alone, text, progress)["nanoGPT"]
        return trials[rate]["bits_per_byte"]

    best = best_inside(trial, config.nanogpt_trials)
    rounds = []
    for seed in range(config.seed + 1, config.seed + 1 + config.repeats):
        both = replace(config, nanogpt_lr=best, seed=seed)
        rounds.append(_kept(work / f"seed-{seed}.json", both, text, progress))
    bits = {name: [one[name]["bits_per_byte"] for one in rounds] for name in config.contestants}
    return {
        "train_tokens": len(text.train),
        "held_out_bytes": text.held_out_bytes,
        "nanogpt_trials": {str(rate): one["bits_per_byte"] for rate, one in trials.items()},
        "nanogpt_lr": best,
        "contestants": rounds[0],
        "bits_per_byte": bits,
    }


def _kept(
    path: Path, config: SpeedrunConfig, text: Text, say: Callable[[float, str], None]
) -> dict:
    """What a race came to, by contestant; from ``path`` where it was run before."""

    def raced() -> dict:
        return {
            runner.name: {
                "bits_per_byte": runner.bits_per_byte(text, config.batch_size),
                "core_seconds": runner.spent,
                "steps": runner.steps,
                "parameters": sum(p.numel() for p in runner.model.parameters()),
                "curve": runner.curve[::10],
            }
            for runner in race(config, text, say)
        }

    return once(path, raced)
