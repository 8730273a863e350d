"""Processor time counts work, not waiting."""

import time

import torch

from course_lib.deployment.timing import step_milliseconds


def work_then_wait():
    end = time.process_time() + 0.03
    while time.process_time() < end:
        pass
    yield
    time.sleep(0.2)
    yield


def test_waiting_is_free_and_work_is_not():
    work, wait = step_milliseconds(work_then_wait(), torch.device("cpu"))
    assert work >= 30
    assert wait < 20
