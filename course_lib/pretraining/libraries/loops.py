"""The same run again, in the two other ways that people write it: Accelerate and Lightning.

Both train a Llama copy of our model on our batches, with the optimizer, the schedule and the loss
of `library`, so that what differs is who runs the loop. All three give the loss of each step.
"""

from collections.abc import Callable

import torch
from torch.utils.data import DataLoader

from course_lib.architecture.decoder import Decoder
from course_lib.architecture.families.interop import to_llama
from course_lib.pretraining.libraries.trainer import (
    Rows,
    adamw_and_schedule,
    collate,
    shifted_loss,
)
from course_lib.pretraining.loop.train import TrainConfig
from course_lib.pretraining.loss import Batch


def accelerate_losses(
    model: Decoder,
    batch_at: Callable[[int], Batch],
    config: TrainConfig,
    *,
    eos_id: int,
    steps: int,
) -> list[float]:
    """Accelerate keeps the loop yours: it moves things to the device and wraps the backward pass.

    Clipping, the schedule and the order of the calls are what you write, none is a default.
    """
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=next(model.parameters()).device.type == "cpu")
    llama = to_llama(model).train()
    optimizer, scheduler = adamw_and_schedule(llama, config)
    llama, optimizer, loader, scheduler = accelerator.prepare(
        llama, optimizer, _loader(batch_at, config, steps, eos_id), scheduler
    )
    losses = []
    for batch in loader:
        labels = batch.pop("labels")
        with accelerator.accumulate(llama):
            loss = shifted_loss(llama(**batch), labels)
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(llama.parameters(), config.clip)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
        losses.append(loss.item())
    accelerator.free_memory()
    return losses


def lightning_losses(
    model: Decoder,
    batch_at: Callable[[int], Batch],
    config: TrainConfig,
    *,
    eos_id: int,
    steps: int,
) -> list[float]:
    """Lightning owns the loop: you hand it a module with the step and the optimizers.

    Its scheduler moves once an epoch unless ``interval`` says "step", and it clips only if asked.
    """
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.llama, self.losses = to_llama(model).train(), []

        def training_step(self, batch: dict, batch_index: int) -> torch.Tensor:
            loss = shifted_loss(self.llama(**{**batch, "labels": None}), batch["labels"])
            self.losses.append(loss.item())
            return loss

        def configure_optimizers(self) -> dict:
            optimizer, scheduler = adamw_and_schedule(self.llama, config)
            every_step = {"scheduler": scheduler, "interval": "step"}
            return {"optimizer": optimizer, "lr_scheduler": every_step}

    module = Module()
    trainer = lightning.Trainer(
        max_steps=steps,
        gradient_clip_val=config.clip,
        gradient_clip_algorithm="norm",
        accelerator="cpu" if next(model.parameters()).device.type == "cpu" else "auto",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, _loader(batch_at, config, steps, eos_id))
    return module.losses


def _loader(
    batch_at: Callable[[int], Batch], config: TrainConfig, steps: int, eos_id: int
) -> DataLoader:
    """The run's batches in their order."""
    return DataLoader(
        Rows(batch_at, config.batch_size, steps),
        batch_size=config.batch_size,
        collate_fn=lambda rows: collate(rows, eos_id),
    )
