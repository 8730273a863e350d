"""Ten faults of a training run, each really made: one small decoder, one loop, one thing broken.

`start` gives a run that is ready to train, healthy or with one fault; `go` trains it and fills its
log. Nothing in a `Run` says which fault it has: `diagnose` must find it from what can be measured.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course_lib.architecture.attention.dot_product import GrowingCache
from course_lib.architecture.attention.masks import document_mask
from course_lib.architecture.config import ModelConfig
from course_lib.architecture.decoder import Decoder
from course_lib.data.mixing.packing import Packed, batch
from course_lib.data.tokenization.tokenizer import Tokenizer
from course_lib.pretraining.loop.train import StepLog, TrainConfig, train
from course_lib.pretraining.loss import IGNORE, Batch, cross_entropy, document_ids
from course_lib.pretraining.monitoring.metrics import Watch

HEALTHY = "healthy"
FAULTS = (
    "no mask",
    "leaked labels",
    "rate too high",
    "no warm-up",
    "repeated data",
    "wrong tokenizer",
    "dead layer",
    "decay on norms",
    "fp16 without scaling",
    "stale cache",
)


@dataclass(frozen=True, kw_only=True)
class BrokenConfig:
    """Sizes of the runs, and how strongly each fault is made."""

    steps: int = 130
    rows: int = 8
    seq_len: int = 96
    d_model: int = 64
    n_layers: int = 3
    lr: float = 4e-3
    watch_every: int = 5  # and each of the first ten steps
    seeds: tuple[int, ...] = (0, 1, 2)
    high_lr: float = 0.1
    repeated_rows: int = 24
    dead_block: int = 1
    # The loop's decay is 0.1, too little to see in 130 steps. A long run has steps * rate * decay
    # of about 2 (100,000 * 2e-4 * 0.1); at 4 this short run has it too.
    norm_decay: float = 4.0
    # Micro-batches of a step whose mean is the gradient: each divides its loss by this number, and
    # 4,096 * 768 tokens are the 3.2 million of GPT-3 (Brown et al. 2020, table 2.1).
    accumulate: int = 4096

    def model(self, vocab_size: int) -> ModelConfig:
        """The decoder of every run."""
        return ModelConfig(
            vocab_size=vocab_size,
            d_model=self.d_model,
            n_layers=self.n_layers,
            n_heads=2,
            n_kv_heads=2,
            d_ff=5 * self.d_model // 2,
            max_seq=2048,
        )

    def run(self) -> TrainConfig:
        """The loop of every run, but for what a fault changes."""
        return TrainConfig(steps=self.steps, batch_size=self.rows, lr=self.lr, log_every=1)


@dataclass(frozen=True, kw_only=True)
class Text:
    """What the runs read: rows in the course's tokens, and the same documents in foreign ones."""

    rows: Packed
    foreign: Packed
    held_out: Packed
    tokenizer: Tokenizer
    floor: float  # nats a token that nobody can go below


@dataclass
class Run:
    """A run and all that may be asked about it: the parts themselves, and the log they left."""

    model: nn.Module  # (inputs, documents=) -> logits
    decoder: Decoder
    batch_at: Callable[[int], Batch]
    prepare: Callable[[Tensor, Tensor], Batch]  # what training and evaluation do to every batch
    held_out: Packed
    tokenizer: Tokenizer
    config: TrainConfig
    floor: float
    new_cache: Callable[[], GrowingCache] = GrowingCache
    loss_fn: Callable[..., Tensor] = cross_entropy
    loss_scale: float = 1.0
    after_step: Callable[[StepLog], None] = lambda log: None
    log: list[dict] = field(default_factory=list)

    def decode(self, tokens: Int[Tensor, " seq"]) -> Float[Tensor, "seq vocab"]:
        """Logits at each place as the sampler gets them: one token at a time, with its cache."""
        cache = self.new_cache()
        with torch.inference_mode():
            steps = [self.decoder(token.view(1, 1), cache=cache)[0, 0] for token in tokens]
        return torch.stack(steps)

    def sample(self, prompt: str, length: int = 40, seed: int = 0, temperature: float = 0.7) -> str:
        """Continue a text through the sampler, until `length` new tokens or the document's end."""
        generator = torch.Generator().manual_seed(seed)
        eos, cache = self.tokenizer.eos_id, self.new_cache()
        new = [eos, *self.tokenizer.encode(prompt)]
        written: list[int] = []
        with torch.inference_mode():
            for _ in range(length):
                logits = self.decoder(torch.tensor([new]), cache=cache)[0, -1]
                chances = (logits / temperature).softmax(-1)
                new = [int(torch.multinomial(chances, 1, generator=generator))]
                if new[0] == eos:
                    break
                written += new
        return self.tokenizer.decode(written)


class Unmasked(nn.Module):
    """Lets every token see the whole of its document, the later tokens too."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, inputs: Int[Tensor, "batch seq"], documents: Int[Tensor, "batch seq"]):
        return self.decoder(inputs, mask=document_mask(documents))


class _Half(torch.autograd.Function):
    """Rounds to fp16 and back, forward and backward: 10 bits, nothing between 0 and 6e-8."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return x.half().float()

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        return grad.half().float()


def start(fault: str, text: Text, config: BrokenConfig, seed: int = 0) -> Run:
    """A fresh run with this fault, or a healthy one. Raises ValueError for an unknown fault."""
    if fault not in (HEALTHY, *FAULTS):
        known = ", ".join((HEALTHY, *FAULTS))
        raise ValueError(f"fault={fault!r}: expected one of {known}")
    shape = config.model(text.tokenizer.vocab_size)
    decoder = Decoder(shape, generator=torch.Generator().manual_seed(seed))
    rows = {"wrong tokenizer": text.foreign}.get(fault, text.rows)
    if fault == "repeated data":
        rows = rows[: config.repeated_rows]
    prepare = unshifted if fault == "leaked labels" else lambda inputs, targets: (inputs, targets)
    run = Run(
        model=Unmasked(decoder) if fault == "no mask" else decoder,
        decoder=decoder,
        batch_at=lambda step: prepare(*batch(rows, step, config.rows, seed)),
        prepare=prepare,
        held_out=text.held_out,
        tokenizer=text.tokenizer,
        config=config.run(),
        floor=text.floor,
    )
    _break(run, fault, config)
    return run


def unshifted(inputs: Tensor, targets: Tensor) -> Batch:
    """Asks each place for the token that stands there, not for the next one."""
    return inputs, torch.where(targets == IGNORE, targets, inputs)


def _break(run: Run, fault: str, config: BrokenConfig) -> None:
    """The faults that lie in the run, not in its data or its model's mask."""
    if fault == "rate too high":
        run.config = replace(run.config, lr=config.high_lr)
    elif fault == "no warm-up":
        run.config = replace(run.config, warmup=0.0)
    elif fault == "dead layer":
        mlp = run.decoder.blocks[config.dead_block].mlp
        nn.init.zeros_(mlp.gate.weight)  # zero on both sides: each one's gradient is 0 times
        nn.init.zeros_(mlp.down.weight)  # the other's weights, for ever
    elif fault == "decay on norms":
        gains = [weight for weight in run.decoder.parameters() if weight.dim() < 2]
        run.after_step = lambda log: _decay(gains, log.lr * config.norm_decay)
    elif fault == "fp16 without scaling":
        run.loss_fn = lambda logits, targets: cross_entropy(logits, targets) / config.accumulate
        run.loss_scale = config.accumulate
        round_to_half(run.decoder, config.accumulate)
    elif fault == "stale cache":
        run.new_cache = shared_cache()


def shared_cache() -> Callable[[], GrowingCache]:
    """Gives the same cache to every request, where each needs an empty one."""
    cache = GrowingCache()
    return lambda: cache


@torch.no_grad()
def _decay(weights: list[Tensor], amount: float) -> None:
    """What AdamW does to a weight besides its step: θ ← θ − η λ θ."""
    for weight in weights:
        weight.mul_(1 - amount)


def round_to_half(model: nn.Module, accumulate: int) -> None:
    """Every layer's output and gradient through fp16; the weights stay fp32, as in autocast.

    A weight's gradient is rounded too. Then it is multiplied by the micro-batches that would have
    been summed, so that clipping and Adam see the scale that they would have seen.
    """
    for module in model.modules():
        if next(module.parameters(recurse=False), None) is not None:
            module.register_forward_hook(lambda module, inputs, output: _Half.apply(output))
    for weight in model.parameters():
        weight.register_hook(lambda grad: grad.half().float() * accumulate)


def go(run: Run, config: BrokenConfig) -> Run:
    """Train it. Each line of the log has loss, rate and norm, some also the layers' figures."""
    watch = Watch(run.decoder)

    def keep(log: StepLog) -> None:
        line = {
            "step": log.step,
            "loss": log.loss * run.loss_scale,
            "lr": log.lr,
            "grad_norm": log.grad_norm,
        }
        run.after_step(log)
        if log.step <= 10 or log.step % config.watch_every == 0:
            line |= {key: v for key, v in watch.measure().items() if key != "grad_norm"}
        run.log.append(line)

    eos = run.tokenizer.eos_id
    train(run.model, run.batch_at, run.config, eos_id=eos, on_log=keep, loss_fn=run.loss_fn)
    watch.close()
    run.model.eval()
    return run


@torch.no_grad()
def held_out_loss(run: Run, rows: int = 32) -> float:
    """Nats a token on text that the run didn't train on, prepared as the run prepares text."""
    inputs, targets = run.prepare(run.held_out.inputs[:rows], run.held_out.targets[:rows])
    logits = run.model(inputs, documents=document_ids(inputs, run.tokenizer.eos_id))
    return float(cross_entropy(logits, targets))
