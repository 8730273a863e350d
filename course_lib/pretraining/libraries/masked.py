"""Encoder pretraining, by the library and by us: a BERT that guesses hidden tokens.

The library's way is three of its parts: `BertForMaskedLM`, `DataCollatorForLanguageModeling`, which
hides the tokens, and `Trainer`. Ours is the decoder without its causal mask, and `mask_tokens`.
"""

import tempfile
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import BertConfig

from course_lib.architecture.attention.masks import document_mask
from course_lib.architecture.config import ModelConfig
from course_lib.architecture.decoder import Decoder
from course_lib.architecture.map import full_mask, mask_tokens
from course_lib.data.mixing.packing import Packed, batch
from course_lib.data.tokenization.tokenizer import Tokenizer
from course_lib.pretraining.libraries.trainer import adamw_and_schedule
from course_lib.pretraining.loop.train import TrainConfig, train
from course_lib.pretraining.loss import IGNORE

MASK = "▢"  # no text of the course holds it


@dataclass(frozen=True, kw_only=True)
class MaskedConfig:
    """An encoder of BERT's choices: post-norm, LayerNorm, GELU, learned positions, biases."""

    d_model: int = 64
    n_layers: int = 2
    n_heads: int = 2
    seq_len: int = 96
    steps: int = 200
    batch_size: int = 8
    lr: float = 3e-3
    rate: float = 0.15  # share of the tokens that are hidden

    def run(self) -> TrainConfig:
        """The loop's configuration, for both."""
        return TrainConfig(
            steps=self.steps, batch_size=self.batch_size, lr=self.lr, warmup=0.1, log_every=5
        )

    def model(self, vocab_size: int) -> ModelConfig:
        """Ours: `vocab_size` counts the token that hides."""
        return ModelConfig(
            vocab_size=vocab_size,
            d_model=self.d_model,
            n_layers=self.n_layers,
            n_heads=self.n_heads,
            n_kv_heads=self.n_heads,
            d_ff=4 * self.d_model,
            max_seq=self.seq_len,
            norm="layer",
            wiring="post",
            position="learned",
            mlp="gelu",
            bias=True,
        )


class Encoder(nn.Module):
    """The decoder without its causal mask: each token sees the whole row, as in BERT.

    With ``documents``, it sees the whole of its own document. Deviations from BERT: no norm after
    the embedding, one more at the end, no second embedding for sentence A or B, and no dense layer
    between the last block and the head.
    """

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(
        self, inputs: Int[Tensor, "batch seq"], documents: Int[Tensor, "batch seq"] | None = None
    ) -> Float[Tensor, "batch seq vocab"]:
        if documents is not None:
            return self.decoder(inputs, mask=document_mask(documents))
        every = full_mask(inputs.shape[1], inputs.device)
        return self.decoder(inputs, mask=every.expand(len(inputs), -1, -1))


def train_ours(
    rows: Packed,
    tokenizer: Tokenizer,
    config: MaskedConfig,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> tuple[Encoder, list[tuple[int, float]]]:
    """Our encoder on the rows; also (step, loss), the loss in nats a hidden token."""
    mask_id = tokenizer.vocab_size
    generator = torch.Generator().manual_seed(seed)
    model = Encoder(Decoder(config.model(mask_id + 1), generator)).to(device)

    def batch_at(step: int) -> tuple[Tensor, Tensor]:
        inputs, _ = batch(rows, step, config.batch_size, seed)
        return mask_tokens(
            inputs,
            mask_id=mask_id,
            vocab=mask_id,
            rate=config.rate,
            keep=inputs == tokenizer.eos_id,
            generator=torch.Generator().manual_seed(1_000_003 * seed + step),
        )

    logs = train(model, batch_at, config.run())
    return model, [(log.step, log.loss) for log in logs]


def train_library(
    rows: Packed,
    tokenizer: Tokenizer,
    config: MaskedConfig,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> tuple[nn.Module, list[tuple[int, float]]]:
    """BertForMaskedLM by Trainer and its collator; also (step, loss), a mean over five steps.

    Optimizer and schedule are ours, so that the two runs differ in model, masking and order alone.
    Model, collator and Trainer draw from torch's global generator: it is forked, so that the
    caller's draws go on as if nothing had been.
    """
    from transformers import (
        BertForMaskedLM,
        DataCollatorForLanguageModeling,
        PrinterCallback,
        Trainer,
        TrainingArguments,
    )

    hub = tokenizer.to_transformers()
    hub.add_special_tokens({"mask_token": MASK})
    with torch.random.fork_rng(), tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(seed)
        bert = BertForMaskedLM(_bert_config(config, len(hub)))
        trainer = Trainer(
            model=bert,
            args=TrainingArguments(
                output_dir=folder,
                max_steps=config.steps,
                logging_steps=5,
                save_strategy="no",
                per_device_train_batch_size=config.batch_size,
                max_grad_norm=config.run().clip,
                report_to=[],
                disable_tqdm=True,
                seed=seed,
                use_cpu=torch.device(device).type == "cpu",
            ),
            train_dataset=[{"input_ids": row} for row in rows.inputs],
            data_collator=DataCollatorForLanguageModeling(hub, mlm_probability=config.rate),
            optimizers=adamw_and_schedule(bert, config.run()),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    history = [(e["step"], e["loss"]) for e in trainer.state.log_history if "loss" in e]
    return bert.eval(), history


def _bert_config(config: MaskedConfig, vocab_size: int) -> BertConfig:
    return BertConfig(
        vocab_size=vocab_size,
        hidden_size=config.d_model,
        num_hidden_layers=config.n_layers,
        num_attention_heads=config.n_heads,
        intermediate_size=4 * config.d_model,
        max_position_embeddings=config.seq_len,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


@torch.no_grad()
def guesses(model: nn.Module, rows: Packed, tokenizer: Tokenizer, seed: int = 0) -> float:
    """Share of hidden tokens of these rows that the model's first guess gets right.

    Every chosen token is hidden here, none is kept or replaced. Works for both models.
    """
    where = next(model.parameters()).device
    mask_id = tokenizer.vocab_size
    _, targets = mask_tokens(
        rows.inputs,
        mask_id=mask_id,
        vocab=mask_id,
        keep=rows.inputs == tokenizer.eos_id,
        generator=torch.Generator().manual_seed(seed),
    )
    hidden = targets != IGNORE
    model.eval()
    found = model(rows.inputs.masked_fill(hidden, mask_id).to(where))
    logits = found if isinstance(found, Tensor) else found.logits
    return float((logits.argmax(-1).cpu() == rows.inputs)[hidden].float().mean())
