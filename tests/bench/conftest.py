"""A measurement of the kernels that takes no time, on a machine without a GPU."""

import pytest
import torch

from graphkd.bench import kernels, kernels_timing
from graphkd.bench.kernels_cases import ContrastCase, LogitCase
from graphkd.bench.kernels_contestants import CONTESTANTS


@pytest.fixture
def tiny_cases():
    return LogitCase("1", "KL + CE", 4, 10), ContrastCase("2", "InfoNCE one-sided", 4, 8)


@pytest.fixture
def tiny(monkeypatch, tiny_cases):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(kernels, "CPU_CASES", tiny_cases)
    # those that compile nothing
    monkeypatch.setattr(kernels, "CPU_CONTESTANTS", (*CONTESTANTS[:2], CONTESTANTS[-1]))
    monkeypatch.setattr(kernels_timing, "REPEATS", 2)
    monkeypatch.setattr(kernels_timing, "PASSED", 1000)
