"""Reading a run: the loss on text that the model has not seen."""

import math
from dataclasses import dataclass

import torch
from torch import nn

from course_lib.data.mixing.packing import Packed
from course_lib.pretraining.loss import IGNORE, cross_entropy, document_ids
from course_lib.pretraining.precision.autocast import autocast


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Total surprisal in nats over a number of tokens."""

    nats: float
    tokens: int

    @property
    def per_token(self) -> float:
        """Nats a token: the training loss's unit."""
        return self.nats / self.tokens

    def bits_per_byte(self, text_bytes: int) -> float:
        """Bits a byte of text: comparable between tokenizers and with gzip."""
        return self.nats / math.log(2) / text_bytes


@torch.no_grad()
def validation_loss(model: nn.Module, packed: Packed, eos_id: int, batch_size: int = 64) -> Loss:
    """Surprisal of every token of ``packed`` under ``model``, ``batch_size`` rows at a time."""
    where = next(model.parameters()).device
    was_training = model.training
    model.eval()
    nats, tokens = 0.0, 0
    for start in range(0, len(packed.inputs), batch_size):
        inputs = packed.inputs[start : start + batch_size].to(where)
        targets = packed.targets[start : start + batch_size].to(where)
        count = int((targets != IGNORE).sum())
        with autocast(where):
            logits = model(inputs, documents=document_ids(inputs, eos_id))
        nats += cross_entropy(logits, targets).item() * count
        tokens += count
    model.train(was_training)
    return Loss(nats=nats, tokens=tokens)
