from collections.abc import Callable

import pytest

from graphkd.component import Site, Socket
from graphkd.graph.ports import layout_of

Shape = tuple[int, ...]
MakeSite = Callable[..., Site]


@pytest.fixture(scope="session")
def site() -> MakeSite:
    """Make the site of a projector from the shape it reads and that of the other side."""

    def make(shape: Shape, target: Shape | None = None) -> Site:
        return Site(
            inputs={"input": (Socket(layout_of(shape), shape),)},
            target=Socket(layout_of(target), target) if target is not None else None,
        )

    return make
