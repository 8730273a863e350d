"""What an exercise's first cell says: that the course's code is here, and on what it runs."""

import os
import sys
from importlib.metadata import PackageNotFoundError, version

import torch


def say() -> None:
    """One line: the version of course_lib, of Python and torch, and the device.

    In Colab one more: what was done goes with the machine, and how to take it along.
    """
    print(line())
    if "google.colab" in sys.modules:
        print("Colab forgets your progress with this machine: !course progress --keep FILE, later")
        print("--bring FILE, with a FILE on your Drive.")


def line() -> str:
    """As "course_lib 0.1.0 · Python 3.12.1 · torch 2.11.0+cu128 · Tesla T4"."""
    python = ".".join(map(str, sys.version_info[:3]))
    return f"course_lib {_own()} · Python {python} · torch {torch.__version__} · {_device()}"


def _own() -> str:
    try:
        return version("llm-course")
    except PackageNotFoundError:  # a folder on the path, never installed
        return "(not installed)"


def _device() -> str:
    """The machine's GPU, whatever the profile uses, since that is what the learner looks for."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU, {os.cpu_count()} cores"
