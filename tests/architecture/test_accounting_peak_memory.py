"""The counter of live tensor bytes, by hand."""

import torch
from torch import nn

from course_lib.architecture.accounting.peak_memory import PeakMemory


def test_by_hand():
    before = torch.ones(100)
    with PeakMemory() as memory:
        a = before + 1  # 400 bytes
        view = a.view(10, 10)  # none
        assert memory.live == 400
        b = a.double()  # 800
        del a
        assert memory.live == 1200  # the view still holds it
        del view
        assert memory.live == 800
        b.mul_(2)  # in place
        part = before[:50]  # a view of what was there before
        assert memory.live == 800 and memory.peak == 1200
        del b, part
    assert memory.live == 0


def test_what_autograd_keeps_exists():
    x = torch.ones(1000, requires_grad=True)
    with PeakMemory() as memory:
        y = x.exp().exp().exp()  # each output is kept for the gradient of exp
        assert memory.live == 3 * 4000
        y.sum().backward()
        assert memory.peak > 3 * 4000
        del y
    assert memory.live == 4000  # x.grad


def test_it_is_deterministic_and_grows_with_the_batch():
    def peak(rows: int) -> int:
        layer = nn.Linear(16, 32)
        with PeakMemory() as memory:
            layer(torch.randn(rows, 16)).relu().sum().backward()
        return memory.peak

    assert peak(8) == peak(8)
    assert peak(128) - peak(64) == peak(192) - peak(128) > 64 * (16 + 32) * 4
