"""Batches of a few samples, for tests of how they are read."""

import attrs

from graphkd.run.data import Batches
from graphkd.run.rows import RowPlan

ROWS = {each.name for each in attrs.fields(RowPlan)}


def batches_of(samples, *, labels=None, **settings):
    """Read samples in their order, unless `shuffle` says otherwise, by default four at a time."""
    rows = {name: settings.pop(name) for name in ROWS & settings.keys()}
    rows = {"batch_size": 4, "seed": 0, "shuffle": False} | rows
    return Batches(samples, RowPlan(**rows), labels=labels, **settings)
