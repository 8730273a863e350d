"""SFT against the libraries: the loss mask, LoRA, and the loss that TRL's trainer computes."""

import copy

import pytest
import torch
from torch.nn import functional as F

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.families.interop import to_llama
from course_lib.data.tokenization.tokenizer import Tokenizer, train_bpe
from course_lib.pretraining.loss import IGNORE
from course_lib.sft.lora import LoraLinear, add_lora, merge_lora
from course_lib.sft.masking import Example, answer_only, pad_rows, target_logprobs
from course_lib.sft.synthetic import InstructionConfig, encode, instructions
from course_lib.world import World, WorldConfig

LAYERS = ("qkv", "out", "gate", "up", "down")


@pytest.fixture(scope="module")
def world() -> World:
    return World(WorldConfig(seed=0))


@pytest.fixture(scope="module")
def tokenizer(world) -> Tokenizer:
    return train_bpe([d.text for d in world.documents("train", 300)], vocab_size=400)


@pytest.fixture
def model(tokenizer) -> Decoder:
    sizes = dict(d_model=32, n_layers=2, n_heads=2, n_kv_heads=1, d_ff=48, max_seq=512)
    config = ModelConfig(vocab_size=tokenizer.vocab_size, **sizes)
    return Decoder(config, torch.Generator().manual_seed(0))


def test_mask_equals_the_chat_template(parity, world, tokenizer):
    library = tokenizer.to_transformers()
    wrong = compared = 0
    for made in instructions(world, InstructionConfig(total=60)):
        messages = [
            {"role": "user", "content": made.question.prompt},
            {"role": "assistant", "content": made.reply},
        ]
        theirs = library.apply_chat_template(
            messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
        )
        example = encode(tokenizer, made)
        inputs, targets = answer_only(example.prompt, example.reply)
        ids, mask = theirs["input_ids"], theirs["assistant_masks"]
        expected = [t if m else IGNORE for t, m in zip(ids[1:], mask[1:], strict=True)]
        assert inputs == ids[:-1]
        wrong += sum(a != b for a, b in zip(targets, expected, strict=True))
        compared += len(targets)
    assert compared > 1_000
    parity(
        stem="sft",
        ours="sft.masking.answer_only",
        reference="transformers apply_chat_template(return_assistant_tokens_mask=True)",
        error=wrong,
        tolerance=0,
        note="targets that differ, 60 conversations",
    )


def test_lora_equals_peft(parity, model):
    from peft import LoraConfig, get_peft_model

    theirs = copy.deepcopy(model)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=list(LAYERS), lora_dropout=0.0)
    theirs = get_peft_model(theirs, config)
    names = add_lora(model, rank=4, alpha=8.0, layers=LAYERS, generator=torch.Generator())
    generator = torch.Generator().manual_seed(1)
    for name in names:
        ours = model.get_submodule(name)
        assert isinstance(ours, LoraLinear)
        ours.lora_b.data.normal_(0, 0.1, generator=generator)
        peer = theirs.base_model.model.get_submodule(name)
        peer.lora_A["default"].weight.data.copy_(ours.lora_a.data)
        peer.lora_B["default"].weight.data.copy_(ours.lora_b.data)
    tokens = torch.randint(4, 400, (3, 20), generator=generator)
    logits, peer_logits = model(tokens), theirs(tokens)
    record = dict(stem="sft", reference="peft 0.21.2 LoraConfig")
    parity(
        **record,
        ours="sft.lora.LoraLinear",
        note="logits, fp32",
        tolerance=1e-5,
        error=(logits - peer_logits).abs().max().item(),
    )

    logits.logsumexp(-1).mean().backward()
    peer_logits.logsumexp(-1).mean().backward()
    differences = []
    for name in names:
        ours, peer = model.get_submodule(name), theirs.base_model.model.get_submodule(name)
        for mine, other in ((ours.lora_a, peer.lora_A), (ours.lora_b, peer.lora_B)):
            differences.append((mine.grad - other["default"].weight.grad).abs().max().item())
            assert mine.grad.abs().max() > 1e-6
    parity(
        **record,
        ours="sft.lora.LoraLinear (gradients)",
        note="A and B of 10 layers, fp32",
        tolerance=1e-6,
        error=max(differences),
    )

    merged, peer_merged = merge_lora(model), theirs.merge_and_unload()
    parity(
        **record,
        ours="sft.lora.merge_lora",
        note="logits of the merged models, fp32",
        tolerance=1e-5,
        error=(merged(tokens) - peer_merged(tokens)).abs().max().item(),
    )
    assert (merged(tokens) - logits).abs().max() < 1e-5


def test_loss_equals_trl(parity, world, tokenizer, model, tmp_path):
    """One batch through TRL's own collator and loss, and through ours."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    made = instructions(world, InstructionConfig(total=12))[:8]
    rows = [
        {
            "prompt": [{"role": "user", "content": i.question.prompt}],
            "completion": [{"role": "assistant", "content": i.reply}],
        }
        for i in made
    ]
    settings = SFTConfig(
        output_dir=str(tmp_path),
        per_device_train_batch_size=len(made),
        report_to=[],
        use_cpu=True,
        bf16=False,
        completion_only_loss=True,
        max_length=None,
        activation_checkpointing=False,
    )
    trainer = SFTTrainer(
        model=to_llama(model, eos_id=tokenizer.eos_id),
        args=settings,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer.to_transformers(),
    )
    batch = next(iter(trainer.get_train_dataloader()))
    theirs = trainer.compute_loss(trainer.model, dict(batch)).item()
    examples: list[Example] = [encode(tokenizer, i) for i in made]
    inputs, targets = pad_rows(examples, tokenizer.eos_id)
    logits = model(inputs)
    ours = (target_logprobs(logits, targets).sum() / -(targets != IGNORE).sum()).item()
    assert int((batch["labels"] != IGNORE).sum()) == int((targets != IGNORE).sum())
    assert ours == pytest.approx(F.cross_entropy(logits.transpose(1, 2), targets).item(), abs=1e-5)
    parity(
        stem="sft",
        ours="sft.masking (answer-only loss)",
        reference="trl 1.16 SFTTrainer",
        error=abs(ours - theirs),
        tolerance=1e-5,
        note="loss of all conversations in one batch, fp32",
    )
