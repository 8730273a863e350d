"""Processor time counts work, not waiting."""

import pytest
import torch

from course_lib.deployment import timing


class Clocks:
    """Two clocks that go only when a step says so: it works on the processor, or it waits."""

    def __init__(self):
        self.wall = self.processor = 0.0

    def perf_counter(self):
        return self.wall

    def process_time(self):
        return self.processor

    def work(self, seconds):
        self.processor += seconds
        self.wall += seconds

    def wait(self, seconds):
        self.wall += seconds


def test_waiting_is_free_and_work_is_not(monkeypatch):
    clocks = Clocks()
    monkeypatch.setattr(timing, "time", clocks)

    def work_then_wait():
        clocks.work(0.03)
        yield
        clocks.wait(0.2)
        yield

    spent = timing.step_milliseconds(work_then_wait(), torch.device("cpu"))
    assert spent == pytest.approx([30, 0])
