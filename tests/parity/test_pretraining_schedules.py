"""Schedules, clipping and accumulation against transformers, torch and transformers.Trainer."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import lr_scheduler
from transformers import get_scheduler

from course_lib.pretraining.loop.sanity import fit
from course_lib.pretraining.schedules import rates as schedules
from course_lib.pretraining.schedules.accumulation import accumulate, gradients, split
from course_lib.pretraining.schedules.clipping import clip_gradients
from course_lib.pretraining.schedules.rates import cosine, wsd

STEPS, WARM = 200, 20


def rates(make) -> list[float]:
    """The rate that a library's scheduler gives each step, peak 1."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, found = make(optimizer), []
    for _ in range(STEPS + 1):
        found.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return found


def library(name: str, **more):
    return lambda optimizer: get_scheduler(
        name, optimizer, WARM, STEPS, scheduler_specific_kwargs=more
    )


def torch_cosine(optimizer):
    up = lr_scheduler.LinearLR(optimizer, start_factor=1e-9, total_iters=WARM)
    down = lr_scheduler.CosineAnnealingLR(optimizer, STEPS - WARM, eta_min=0.1)
    return lr_scheduler.SequentialLR(optimizer, [up, down], milestones=[WARM])


W = WARM / STEPS
# With min_lr_ratio above 0 the library's *warm-up* starts from it too, ours from 0.
DOWN = {"num_stable_steps": 120, "num_decay_steps": 60, "min_lr_ratio": 0.0}
CASES = {
    "linear": (lambda x: schedules.linear(x, warmup=W), "get_scheduler linear", library("linear")),
    "cosine": (lambda x: cosine(x, warmup=W, floor=0.0), "get_scheduler cosine", library("cosine")),
    "inverse_sqrt": (
        lambda x: schedules.inverse_sqrt(x, warmup=W),
        "get_scheduler inverse_sqrt",
        library("inverse_sqrt"),
    ),
    "wsd": (
        lambda x: wsd(x, warmup=W, decay=0.3, floor=0.0),
        "get_scheduler warmup_stable_decay",
        library("warmup_stable_decay", decay_type="linear", **DOWN),
    ),
    "wsd_sqrt": (
        lambda x: schedules.wsd_sqrt(x, warmup=W, decay=0.3, floor=0.0),
        "get_scheduler warmup_stable_decay",
        library("warmup_stable_decay", decay_type="1-sqrt", **DOWN),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_schedules_equal_transformers(parity, name):
    ours, reference, make = CASES[name]
    theirs = rates(make)
    assert max(theirs) == pytest.approx(1.0) and theirs[0] == 0.0
    module = "schedule" if name in ("cosine", "wsd") else "schedules"
    parity(
        stem="pretraining",
        ours=f"pretraining.{module}.{name}",
        tolerance=1e-12,
        reference=f"transformers {reference}",
        note="multiplier at each of 201 steps",
        error=max(abs(ours(i / STEPS) - rate) for i, rate in enumerate(theirs)),
    )


def test_cosine_equals_torch(parity):
    theirs = rates(torch_cosine)
    parity(
        stem="pretraining",
        ours="pretraining.schedule.cosine",
        tolerance=1e-6,
        reference="torch LinearLR, then CosineAnnealingLR",
        note="201 steps, floor 0.1",
        error=max(abs(cosine(i / STEPS, warmup=W, floor=0.1) - r) for i, r in enumerate(theirs)),
    )


@pytest.mark.parametrize("limit", [0.1, 1.0, 50.0])
def test_clipping_equals_torch(parity, limit):
    generator = torch.Generator().manual_seed(0)
    weights = [[nn.Parameter(torch.zeros(40, 7)), nn.Parameter(torch.zeros(300))] for _ in range(2)]
    for pair in zip(*weights, strict=True):
        grad = torch.randn(pair[0].shape, generator=generator)
        for weight in pair:
            weight.grad = grad.clone()
    norms = clip_gradients(weights[0], limit), nn.utils.clip_grad_norm_(weights[1], limit).item()
    assert norms[0] > 20
    error = max((a.grad - b.grad).abs().max().item() for a, b in zip(*weights, strict=True))
    parity(
        stem="pretraining",
        ours="pretraining.clipping.clip_gradients",
        tolerance=1e-6,
        reference="torch.nn.utils.clip_grad_norm_",
        note=f"max_norm {limit:g}, norm and gradients",
        error=max(error, abs(norms[0] - norms[1]) / norms[1]),
    )


def tiny_llama():
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=19,
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=16,
        )
    )


class Logits(nn.Module):
    """A library model with the signature of ours."""

    def __init__(self, llama: nn.Module):
        super().__init__()
        self.llama = llama

    def forward(self, inputs, documents=None):
        return self.llama(inputs).logits


def uneven_rows() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(19, (8, 13), generator=generator)
    targets = ids[:, 1:].clone()
    for row, length in enumerate((12, 1, 7, 2, 12, 12, 3, 1)):
        targets[row, length:] = -100
    return ids[:, :-1].contiguous(), targets


def test_accumulation_equals_the_whole_batch_and_the_trainer(parity, tmp_path):
    """One SGD step of the Trainer with gradient_accumulation_steps=4 gives its gradient away."""
    from transformers import Trainer, TrainingArguments

    inputs, targets = uneven_rows()
    llama = tiny_llama()
    whole = Logits(llama)
    F.cross_entropy(whole(inputs).flatten(0, 1), targets.flatten()).backward()
    wanted = gradients(whole)
    accumulate(whole, split((inputs, targets), 2))
    ours = gradients(whole)
    assert wanted.abs().max() > 0.01
    parity(
        stem="pretraining",
        ours="pretraining.accumulation.accumulate",
        tolerance=1e-6,
        reference="the same batch in one backward pass",
        note="4 parts with 13 to 24 targets, fp32",
        error=(ours - wanted).abs().max(),
    )

    theirs = tiny_llama()
    before = torch.cat([p.detach().flatten() for p in theirs.parameters()])
    labels = torch.cat((inputs[:, :1], targets), 1)  # the library shifts them by one itself
    padded = torch.cat((inputs, inputs[:, -1:]), 1)
    rows = [{"input_ids": x, "labels": y} for x, y in zip(padded, labels, strict=True)]
    optimizer = torch.optim.SGD(theirs.parameters(), lr=1.0)
    constant = lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    Trainer(
        model=theirs,
        train_dataset=rows,
        optimizers=(optimizer, constant),
        args=TrainingArguments(
            output_dir=str(tmp_path),
            max_steps=1,
            per_device_train_batch_size=2,
            gradient_accumulation_steps=4,
            max_grad_norm=0.0,
            save_strategy="no",
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
            train_sampling_strategy="sequential",
        ),
    ).train()
    moved = before - torch.cat([p.detach().flatten() for p in theirs.parameters()])
    parity(
        stem="pretraining",
        ours="pretraining.accumulation.accumulate",
        tolerance=1e-6,
        reference="transformers.Trainer gradient_accumulation_steps=4",
        note="gradient, from the step of SGD at rate 1",
        error=(ours - moved).abs().max(),
    )


def test_the_shortest_loop_equals_torch(parity):
    batch, runs = uneven_rows(), []
    for optimizer_class in (None, torch.optim.AdamW):
        net = Logits(tiny_llama()).double()
        if optimizer_class is None:
            runs.append(fit(net, lambda step: batch, steps=20, lr=1e-2, loss_fn=flat_loss))
            continue
        optimizer = optimizer_class(net.parameters(), lr=1e-2, betas=(0.9, 0.95), weight_decay=0.0)
        runs.append([])
        for _ in range(20):
            loss = flat_loss(net(batch[0]), batch[1])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            runs[-1].append(loss.item())
    assert runs[0][-1] < 0.8 * runs[0][0]
    parity(
        stem="pretraining",
        ours="pretraining.sanity.fit",
        tolerance=1e-9,
        reference="the loop with torch.optim.AdamW",
        note="20 losses, float64",
        error=max(abs(a - b) for a, b in zip(*runs, strict=True)),
    )


def flat_loss(logits, targets):
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def test_the_gradient_by_hand_equals_autograd(parity):
    """softmax minus one-hot, divided by the number of targets."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 5, 9, generator=generator, dtype=torch.float64).requires_grad_()
    targets = torch.randint(9, (3, 5), generator=generator)
    flat_loss(logits, targets).backward()
    by_hand = (logits.detach().softmax(-1) - F.one_hot(targets, 9)) / 15
    assert math.isclose(by_hand.sum().item(), 0.0, abs_tol=1e-12)
    parity(
        stem="pretraining",
        ours="the gradient of cross-entropy by hand",
        tolerance=1e-15,
        reference="torch autograd",
        note="p minus one-hot over N, float64",
        error=(by_hand - logits.grad).abs().max(),
    )
