"""DPO and GRPO against TRL's trainers: the same batch through both losses."""

import copy

import pytest
import torch

from course_lib.alignment.grpo import group_advantages, grpo_loss
from course_lib.alignment.preferences import Pair, dpo_loss, ipo_loss, pair_rows, reply_logprobs
from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.architecture.families.interop import to_llama
from course_lib.data.tokenization.tokenizer import Tokenizer, train_bpe
from course_lib.pretraining.loss import IGNORE
from course_lib.sft.masking import Example, pad_rows, target_logprobs

PAD = 0
PAIRS = [Pair((0, 1, 9, t, 2), (t, t + 1, 3), (t + 20, 3)) for t in range(5, 13)]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_bpe(["what is three plus four? three plus four is seven. " * 9], vocab_size=270)


@pytest.fixture
def models(tokenizer) -> tuple[Decoder, Decoder]:
    """A reference, and a policy that has moved away from it."""
    sizes = dict(d_model=32, n_layers=2, n_heads=2, n_kv_heads=1, d_ff=48)
    config = ModelConfig(vocab_size=tokenizer.vocab_size, **sizes)
    reference = Decoder(config, torch.Generator().manual_seed(0))
    policy = copy.deepcopy(reference)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in policy.parameters():
            weight += 0.02 * torch.randn(weight.shape, generator=generator)
    return policy, reference


@pytest.mark.parametrize(("kind", "beta"), [("sigmoid", 0.1), ("sigmoid", 0.5)])
def test_dpo_equals_trl(parity, models, tokenizer, tmp_path, kind, beta):
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    policy, reference = models
    rows = [{"prompt": "what is", "chosen": " three", "rejected": " four"}] * 2
    settings = DPOConfig(
        output_dir=str(tmp_path),
        loss_type=kind,
        beta=beta,
        use_cpu=True,
        bf16=False,
        report_to=[],
        activation_checkpointing=False,
    )
    trainer = DPOTrainer(
        model=to_llama(policy, eos_id=PAD),
        ref_model=to_llama(reference, eos_id=PAD),
        args=settings,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer.to_transformers(),
    )
    batch = trainer.data_collator(
        [
            {
                "prompt_ids": list(p.prompt),
                "chosen_ids": list(p.chosen),
                "rejected_ids": list(p.rejected),
            }
            for p in PAIRS
        ]
    )
    theirs = trainer.compute_loss(trainer.model, dict(batch))
    inputs, targets = pair_rows(PAIRS, PAD)
    with torch.no_grad():
        before = reply_logprobs(reference, inputs, targets)
    chosen, rejected = (reply_logprobs(policy, inputs, targets) - before).chunk(2)
    ours = dpo_loss(chosen, rejected, beta).mean()
    assert (chosen - rejected).abs().max() > 0.01  # the policy has really moved
    parity(
        stem="alignment",
        ours="alignment.preference.dpo_loss",
        reference="trl 1.16 DPOTrainer",
        error=abs(ours.item() - theirs.item()),
        tolerance=1e-5,
        note=f"loss of 8 pairs, beta {beta}, fp32",
    )


def test_ipo_differs_from_trl_by_length_alone(models):
    """TRL averages log-probabilities over a reply's tokens for IPO; the paper and ours sum."""
    policy, reference = models
    inputs, targets = pair_rows(PAIRS, PAD)
    ratio = reply_logprobs(policy, inputs, targets) - reply_logprobs(reference, inputs, targets)
    chosen, rejected = ratio.detach().chunk(2)
    h = chosen - rejected
    assert torch.allclose(ipo_loss(chosen, rejected, 0.1), h**2 - 10 * h + 25, atol=1e-4)


@pytest.mark.parametrize("moved", [False, True])
def test_grpo_equals_trl(parity, models, tokenizer, tmp_path, moved):
    """One batch of rollouts, on-policy and after the policy has moved (so that the clip acts)."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    policy, reference = models
    settings = GRPOConfig(
        output_dir=str(tmp_path),
        loss_type="bnpo",
        beta=0.0,
        epsilon=0.05,
        use_cpu=True,
        use_bias_correction_kl=False,
        bf16=False,
        report_to=[],
        activation_checkpointing=False,
        num_generations=4,
        per_device_train_batch_size=4,
    )
    trainer = GRPOTrainer(
        model=to_llama(policy, eos_id=PAD),
        args=settings,
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        train_dataset=Dataset.from_list([{"prompt": "what is"}] * 4),
        processing_class=tokenizer.to_transformers(),
    )
    trainer.beta = 0.1  # given from the start, it would load a reference by the model's name
    trainer.current_gradient_accumulation_steps = 1
    examples = [Example(p.prompt, p.chosen) for p in PAIRS[:4]]
    inputs, targets = pad_rows(examples, PAD)
    logprobs = target_logprobs(policy(inputs), targets)
    with torch.no_grad():
        reference_logprobs = target_logprobs(reference(inputs), targets)
    old = reference_logprobs if moved else logprobs.detach()
    advantages = group_advantages(torch.tensor([[1.0, 0.0, 0.0, 1.0]])).flatten()
    counted = (targets != IGNORE).float()
    ours = grpo_loss(
        logprobs, old, reference_logprobs, advantages, counted, beta=0.1, clip_ratio=0.05
    )

    first = len(PAIRS[0].prompt)  # all prompts and replies here are of one length
    theirs = trainer._compute_loss(
        trainer.model,
        {
            "prompt_ids": inputs[:, :first],
            "prompt_mask": torch.ones_like(inputs[:, :first]),
            "completion_ids": targets[:, first - 1 :],
            "completion_mask": torch.ones_like(targets[:, first - 1 :]),
            "advantages": advantages,
            "old_per_token_logps": old[:, first - 1 :],
            "ref_per_token_logps": reference_logprobs[:, first - 1 :],
        },
    )
    if moved:
        assert ((logprobs - old).exp() - 1).abs().max() > 0.05  # some ratios are clipped
    parity(
        stem="alignment",
        ours="alignment.grpo.grpo_loss",
        reference="trl 1.16 GRPOTrainer",
        error=abs(ours.item() - theirs.item()),
        tolerance=1e-5,
        note=f"loss of 4 replies, {'off-policy, clipped' if moved else 'on-policy'}, fp32",
    )
