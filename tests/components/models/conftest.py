from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from graphkd.component import ImageSpec, Site


def make_site(pixels: int = 32, *, channels: int = 3, classes: int = 10, **changes: Any) -> Site:
    image = ImageSpec(channels, pixels, pixels, (0.5,) * channels, (0.25,) * channels)
    return Site(image=image, classes=classes, **changes)


@pytest.fixture
def site() -> Site:
    return make_site()


@pytest.fixture
def site_of():
    return make_site


@pytest.fixture(autouse=True)
def quiet_and_seeded() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with torch.no_grad():
        yield
    torch.set_num_threads(threads)


@pytest.fixture
def modules_run():
    """Count how many leaf modules of a model run in a call."""

    def count(model, call, *inputs):
        ran = []
        leaves = [each for each in model.modules() if not list(each.children())]
        handles = [
            each.register_forward_pre_hook(lambda module, _: ran.append(module)) for each in leaves
        ]
        call(*inputs)
        for handle in handles:
            handle.remove()
        return len(ran)

    return count
