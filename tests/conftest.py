"""Small registered models that every test may name in a blueprint, and how kernels are tested."""

import os
from typing import ClassVar

import hypothesis
import torch
from torch import nn

from graphkd.component import register_model

# how long an example takes depends on what else the machine does
hypothesis.settings.register_profile("graphkd", deadline=None)
hypothesis.settings.load_profile("graphkd")

torch.set_num_threads(1)
# commands that tests start share the machine with other tests
os.environ.setdefault("OMP_NUM_THREADS", "1")
if not torch.cuda.is_available():
    # read when Triton is imported, which nothing above does
    os.environ["TRITON_INTERPRET"] = "1"


class TinyNet(nn.Module):
    """Three convolutions, batch norm and dropout: everything that can go wrong in a loop."""

    graphkd_taps: ClassVar = {"stage1": "stage1", "stage2": "stage2", "stage3": "stage3"}

    def __init__(self, num_classes, in_chans, width=4, dropout=0.0):
        super().__init__()
        self.stage1 = nn.Sequential(
            nn.Conv2d(in_chans, width, 3, stride=2, padding=1), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.stage2 = nn.Sequential(
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
        )
        self.stage3 = nn.Sequential(
            nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1), nn.ReLU()
        )
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(4 * width, num_classes)

    def forward(self, x):
        x = self.stage3(self.stage2(self.stage1(x)))
        return self.fc(self.dropout(x.mean((2, 3))))


@register_model("tiny")
def tiny(num_classes, in_chans, width=4, dropout=0.0):
    return TinyNet(num_classes, in_chans, width, dropout)
