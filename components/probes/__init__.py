"""Built-in probes."""

from graphkd.components.probes.agreement import Agreement
from graphkd.components.probes.cka import CKA
from graphkd.components.probes.gap import Gap
from graphkd.components.probes.predictive_kl import PredictiveKL

__all__ = ["CKA", "Agreement", "Gap", "PredictiveKL"]
