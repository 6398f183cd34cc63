"""Built-in probes."""

from graphkd.components.probes.agreement import Agreement
from graphkd.components.probes.gap import Gap
from graphkd.components.probes.predictive_kl import PredictiveKL

__all__ = ["Agreement", "Gap", "PredictiveKL"]
