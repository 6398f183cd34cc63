"""Built-in losses."""

from graphkd.components.losses.cosine import Cosine
from graphkd.components.losses.cross_entropy import CrossEntropy
from graphkd.components.losses.infonce import InfoNCE
from graphkd.components.losses.kl import KL
from graphkd.components.losses.l1 import L1
from graphkd.components.losses.mse import MSE
from graphkd.components.losses.smooth_l1 import SmoothL1

__all__ = ["KL", "L1", "MSE", "Cosine", "CrossEntropy", "InfoNCE", "SmoothL1"]
