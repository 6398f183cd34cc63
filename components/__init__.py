"""The built-in components; importing this package registers them."""

from graphkd.components import (
    augmentations,
    datasets,
    fusions,
    losses,
    models,
    probes,
    projectors,
    transforms,
)

__all__ = [
    "augmentations",
    "datasets",
    "fusions",
    "losses",
    "models",
    "probes",
    "projectors",
    "transforms",
]
