"""Built-in losses."""

from graphkd.components.losses.binary_cross_entropy import BinaryCrossEntropy
from graphkd.components.losses.cosine import Cosine
from graphkd.components.losses.cross_entropy import CrossEntropy
from graphkd.components.losses.dkd import DKD
from graphkd.components.losses.infonce import InfoNCE
from graphkd.components.losses.kl import KL
from graphkd.components.losses.l1 import L1
from graphkd.components.losses.mse import MSE
from graphkd.components.losses.nd import ND
from graphkd.components.losses.nkd import NKD
from graphkd.components.losses.ofa import OFA
from graphkd.components.losses.smooth_l1 import SmoothL1
from graphkd.components.losses.soft_cross_entropy import SoftCrossEntropy

__all__ = [
    "DKD",
    "KL",
    "L1",
    "MSE",
    "ND",
    "NKD",
    "OFA",
    "BinaryCrossEntropy",
    "Cosine",
    "CrossEntropy",
    "InfoNCE",
    "SmoothL1",
    "SoftCrossEntropy",
]
