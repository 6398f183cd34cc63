"""Built-in fusions: families of losses that one launch computes together."""

from graphkd.components.fusions.infonce import InfoNCEFusion
from graphkd.components.fusions.logits import LogitFusion

__all__ = ["InfoNCEFusion", "LogitFusion"]
