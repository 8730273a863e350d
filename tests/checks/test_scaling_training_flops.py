"""What the exercise on FLOPs takes for measured is what torch's own counter counts."""

import pytest
import torch
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from course_lib.architecture.decoder import Decoder, ModelConfig
from course_lib.checks.scaling import training_flops


@pytest.mark.parametrize("case", training_flops.cases(3), ids=lambda case: case.what)
def test_the_graph_holds_the_products_that_torch_counts(case):
    config, rows, seq = case.arguments
    model = Decoder(ModelConfig(**config, max_seq=seq), generator=torch.Generator().manual_seed(1))
    tokens = torch.ones(rows, seq, dtype=torch.long)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        F.cross_entropy(model(tokens).flatten(0, 1), tokens.flatten()).backward()
    assert training_flops.reference(*case.arguments) == counter.get_total_flops()
