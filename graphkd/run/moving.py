"""Batches on their way to the device."""

from __future__ import annotations

import torch

from graphkd.graph import IMAGES
from graphkd.run.backwards import Batch
from graphkd.run.session import Session


def moved(batch: Batch, session: Session) -> Batch:
    """Bring a batch to the device of a session, and its images into the order of the recipe."""
    recipe = session.schedule.blueprint.train
    found = {key: value.to(session.device, non_blocking=True) for key, value in batch.items()}
    if recipe.channels_last:
        for name in found.keys() & set(IMAGES):
            found[name] = found[name].contiguous(memory_format=torch.channels_last)
    return found
