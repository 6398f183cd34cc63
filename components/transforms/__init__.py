"""Built-in transforms."""

from graphkd.components.transforms.class_means import ClassMeans
from graphkd.components.transforms.concat import Concat
from graphkd.components.transforms.coordinates import Coordinates
from graphkd.components.transforms.ensemble import Ensemble
from graphkd.components.transforms.hash_code import HashCode
from graphkd.components.transforms.pseudo_labels import PseudoLabels
from graphkd.components.transforms.recall import Recall

__all__ = [
    "ClassMeans",
    "Concat",
    "Coordinates",
    "Ensemble",
    "HashCode",
    "PseudoLabels",
    "Recall",
]
