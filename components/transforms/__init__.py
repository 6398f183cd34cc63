"""Built-in transforms."""

from graphkd.components.transforms.class_means import ClassMeans
from graphkd.components.transforms.concat import Concat
from graphkd.components.transforms.ensemble import Ensemble

__all__ = [
    "ClassMeans",
    "Concat",
    "Ensemble",
]
