"""Loss operations on tensors, each beside its plain PyTorch reference; usable alone."""

from graphkd.kernels.contrast import Contrast
from graphkd.kernels.cross_entropy import cross_entropy
from graphkd.kernels.distance import cosine, l1, mse, norm_and_direction, smooth_l1
from graphkd.kernels.dkd import dkd
from graphkd.kernels.fidelity import accuracy_gap, agreement
from graphkd.kernels.infonce import ContrastProblem, ContrastValues, infonce, infonce_grouped
from graphkd.kernels.kl import kl
from graphkd.kernels.linear import Head, linear_kd
from graphkd.kernels.logits import LogitLoss, kd_logits, kd_logits_grouped
from graphkd.kernels.nkd import nkd
from graphkd.kernels.ofa import ofa
from graphkd.kernels.problem import LogitProblem
from graphkd.kernels.terms import DKD, KL, NKD, OFA, CrossEntropy

__all__ = [
    "DKD",
    "KL",
    "NKD",
    "OFA",
    "Contrast",
    "ContrastProblem",
    "ContrastValues",
    "CrossEntropy",
    "Head",
    "LogitLoss",
    "LogitProblem",
    "accuracy_gap",
    "agreement",
    "cosine",
    "cross_entropy",
    "dkd",
    "infonce",
    "infonce_grouped",
    "kd_logits",
    "kd_logits_grouped",
    "kl",
    "l1",
    "linear_kd",
    "mse",
    "nkd",
    "norm_and_direction",
    "ofa",
    "smooth_l1",
]
