"""Jobs of several processes for tests, and what they train."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

import tests.conftest  # noqa: F401  (registers the small models)
from graphkd.component import register_model
from tests.run.small import SMALL

ROOT = Path(__file__).parents[2]


class NormlessNet(nn.Module):
    """No batch norm, whose statistics are those of a part of the batch in each process."""

    def __init__(self, num_classes, in_chans, width=8, dropout=0.0):
        super().__init__()
        self.stage1 = nn.Sequential(
            nn.Conv2d(in_chans, width, 3, stride=2, padding=1), nn.GroupNorm(2, width), nn.ReLU()
        )
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x):
        return self.fc(self.dropout(self.stage1(x).mean((2, 3))))


@register_model("normless")
def normless(num_classes, in_chans, width=8, dropout=0.0):
    return NormlessNet(num_classes, in_chans, width, dropout)


# half of what `small` takes, as two processes take it twice; 3 labels of a class are seen
PLAIN = SMALL.replace("model: tiny", "model: normless")
PLAIN = PLAIN.replace("batch_size: 16", "batch_size: 8, labels_per_class: 3")


@contextmanager
def frozen_statistics():
    """Let batch norm use its running statistics in training."""
    before = _BatchNorm.train
    _BatchNorm.train = lambda self, mode=True: nn.Module.train(self, mode=False)
    try:
        yield
    finally:
        _BatchNorm.train = before


def environment(**more):
    """What a process of a job is told."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **more}


def start(job, folder, *, size=2, jobs="several_jobs", **more):
    """Start the processes of a job, which is a function of a file of this folder."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    words = [sys.executable, f"tests/run/{jobs}.py", job, str(folder)]
    meet = {"MASTER_ADDR": "localhost", "MASTER_PORT": port, "WORLD_SIZE": str(size), **more}
    return [
        subprocess.Popen(words, cwd=ROOT, env=environment(**meet, RANK=str(rank)))
        for rank in range(size)
    ]
