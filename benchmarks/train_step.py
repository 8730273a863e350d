"""One training step of the course's model, beside transformers' Llama with the same weights.

    python benchmarks/train_step.py

Both take the same packed batch with its document mask, in float32, and move by AdamW.
"""

import torch
from _bench import course_config, gemm_gflops, interleave, show

from course_lib import profile
from course_lib.architecture.accounting.formulas import training_flops
from course_lib.architecture.decoder import Decoder
from course_lib.architecture.families.interop import to_llama
from course_lib.pretraining.loss import cross_entropy, document_ids
from course_lib.pretraining.optimizers.adamw import AdamW, param_groups

torch.set_num_threads(1)
torch.manual_seed(0)
sizes = profile.current()
config = course_config()
inputs = torch.randint(1, config.vocab_size, (sizes.pretrain_batch_size, sizes.seq_len))
inputs[:, ::40] = 0
targets = inputs.roll(-1, 1)
documents = document_ids(inputs, 0)

ours = Decoder(config)
llama = to_llama(ours)
our_optimizer = AdamW(param_groups(ours, 0.1))
their_optimizer = torch.optim.AdamW(llama.parameters(), weight_decay=0.1, fused=True)
visible = (documents[:, :, None] == documents[:, None, :]) & torch.ones(
    sizes.seq_len, sizes.seq_len, dtype=torch.bool
).tril()
mask = torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min)[:, None]


def our_step() -> None:
    our_optimizer.zero_grad()
    cross_entropy(ours(inputs, documents=documents), targets).backward()
    our_optimizer.step()


def their_step() -> None:
    their_optimizer.zero_grad()
    logits = llama(input_ids=inputs, attention_mask=mask, use_cache=False).logits
    torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()
    their_optimizer.step()


seconds = interleave({"course_lib": our_step, "transformers Llama": their_step})
show(f"one step, {inputs.numel()} tokens, {sizes.name} profile, one thread", seconds)
flops = training_flops(config, inputs.numel(), sizes.seq_len)
limit, median = gemm_gflops(), sorted(seconds["course_lib"])[len(seconds["course_lib"]) // 2]
print(f"  {flops / median / 1e9:.0f} GFLOP a CPU-second; a 1024-wide product reaches {limit:.0f}")
