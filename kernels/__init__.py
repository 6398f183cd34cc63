"""Loss operations on tensors, each beside its plain PyTorch reference; usable alone."""

from graphkd.kernels.contrast import Contrast
from graphkd.kernels.cross_entropy import cross_entropy
from graphkd.kernels.distance import cosine, l1, mse, smooth_l1
from graphkd.kernels.fidelity import accuracy_gap, agreement
from graphkd.kernels.infonce import infonce
from graphkd.kernels.kl import kl

__all__ = [
    "Contrast",
    "accuracy_gap",
    "agreement",
    "cosine",
    "cross_entropy",
    "infonce",
    "kl",
    "l1",
    "mse",
    "smooth_l1",
]
