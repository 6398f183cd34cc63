"""The built-in components; importing this package registers them."""

from graphkd.components import (
    augmentations,
    datasets,
    losses,
    models,
    probes,
    projectors,
    transforms,
)

__all__ = [
    "augmentations",
    "datasets",
    "losses",
    "models",
    "probes",
    "projectors",
    "transforms",
]
