"""The loss contest with other settings than the recorded ones: bits a byte after equal CPU time.

python benchmarks/speedrun.py                                   # as recorded
python benchmarks/speedrun.py core_seconds=40 nanogpt_lr=1e-3
python benchmarks/speedrun.py core_seconds=40 pairs=0 contestants=ours
"""

import dataclasses
import sys
import time

import torch

from course_lib.studies.pretraining.speedrun import SpeedrunConfig, race, stdlib_text

torch.set_num_threads(1)
default = SpeedrunConfig()
types = {f.name: type(getattr(default, f.name)) for f in dataclasses.fields(default)}
given = dict(setting.split("=") for setting in sys.argv[1:])
config = SpeedrunConfig(
    **{
        name: tuple(value.split(",")) if types[name] is tuple else types[name](value)
        for name, value in given.items()
    }
)
text = stdlib_text(config)
began = time.process_time()
runners = race(config, text, lambda share, words: print(f"{share:.0%} {words}", flush=True))
for runner in runners:
    bits = runner.bits_per_byte(text, config.batch_size)
    print(
        f"{runner.name} {given}: {bits:.4f} bits a byte after "
        f"{runner.spent:.0f} core-s, {runner.steps} steps",
        flush=True,
    )
print(f"{time.process_time() - began:.0f} core-s in all")
