"""The same run by the library people use at work: transformers.Trainer on the Llama twin."""

import tempfile
from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.architecture.decoder import Decoder
from course_lib.architecture.families.interop import to_llama
from course_lib.pretraining.loop.train import TrainConfig
from course_lib.pretraining.loss import Batch
from course_lib.pretraining.optimizers.adamw import param_groups
from course_lib.pretraining.schedules.rates import wsd


def trainer_losses(
    model: Decoder,
    batch_at: Callable[[int], Batch],
    config: TrainConfig,
    *,
    eos_id: int,
    steps: int,
) -> list[float]:
    """Train a Llama copy of ``model`` by transformers.Trainer; the training loss of each step.

    The first ``steps`` steps of the run that ``config`` describes: torch's AdamW with the same
    groups, our schedule as a LambdaLR, the same batches in the same order, the same document mask
    (as a 4-d additive mask, which Llama takes as it is). Trainer seeds torch's global generator: it
    is forked, so that the caller's draws go on as if nothing had been.
    """
    from transformers import Trainer, TrainingArguments

    llama = to_llama(model)
    optimizer, scheduler = adamw_and_schedule(llama, config)
    with torch.random.fork_rng(), tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            max_steps=steps,
            per_device_train_batch_size=config.batch_size,
            max_grad_norm=config.clip,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            use_cpu=next(model.parameters()).device.type == "cpu",
            train_sampling_strategy="sequential",
            remove_unused_columns=False,
            disable_tqdm=True,
            seed=config.seed,
        )
        trainer = Trainer(
            model=llama,
            args=arguments,
            train_dataset=Rows(batch_at, config.batch_size, steps),
            data_collator=lambda rows: collate(rows, eos_id),
            optimizers=(optimizer, scheduler),
            compute_loss_func=shifted_loss,
        )
        trainer.remove_callback(_printer())
        trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


class Rows(torch.utils.data.Dataset):
    """The run as a data set: item i is row i % batch_size of the batch of step i // batch_size.

    Read in order, batch_size at a time, it gives back the run's own batches.
    """

    def __init__(self, batch_at: Callable[[int], Batch], batch_size: int, steps: int):
        self.batch_at, self.batch_size, self.steps = batch_at, batch_size, steps

    def __len__(self) -> int:
        return self.batch_size * self.steps

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        inputs, targets = self.batch_at(i // self.batch_size)
        return inputs[i % self.batch_size], targets[i % self.batch_size]


def collate(rows: list[tuple[Tensor, Tensor]], eos_id: int) -> dict[str, Tensor]:
    """Rows to the arguments of a library's model; the document mask is 0 or the least float."""
    inputs, targets = (torch.stack(column) for column in zip(*rows, strict=True))
    documents = (inputs == eos_id).cumsum(1)
    same = documents[:, :, None] == documents[:, None, :]
    visible = same & torch.ones(same.shape[1:], dtype=torch.bool).tril()
    mask = torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min)
    return {"input_ids": inputs, "attention_mask": mask[:, None], "labels": targets}


def shifted_loss(outputs, labels: Tensor, num_items_in_batch: Tensor | None = None) -> Tensor:
    """Our targets are shifted already, so the library mustn't shift them again."""
    return torch.nn.functional.cross_entropy(outputs.logits.flatten(0, 1), labels.flatten())


def adamw_and_schedule(
    llama: torch.nn.Module, config: TrainConfig
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """torch's AdamW with the groups of our loop, and our schedule as a LambdaLR."""
    groups, betas = param_groups(llama, config.weight_decay), (config.beta1, config.beta2)
    optimizer = torch.optim.AdamW(groups, lr=config.lr, betas=betas)
    rate = lambda step: wsd(  # noqa: E731
        min((step + 1) / config.steps, 1.0), warmup=config.warmup, decay=config.decay
    )
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, rate)


def _printer() -> type:
    from transformers import PrinterCallback

    return PrinterCallback
