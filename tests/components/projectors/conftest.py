from collections.abc import Callable

import pytest

from graphkd.component import Site, Socket
from graphkd.components.transforms import HashCode
from graphkd.graph.ports import layout_of

Shape = tuple[int, ...]
MakeSite = Callable[..., Site]


@pytest.fixture(scope="session")
def site() -> MakeSite:
    """Make the site of a projector from the shape it reads and that of the other side.

    What reads vectors is lent a hash_code of eight bits, as `by`.
    """

    def make(shape: Shape, target: Shape | None = None) -> Site:
        inputs = {"input": (Socket(layout_of(shape), shape),)}
        lent = {"by": HashCode(bits=8).build(Site(inputs=inputs))} if len(shape) == 2 else {}
        return Site(
            inputs=inputs,
            target=Socket(layout_of(target), target) if target is not None else None,
            modules=lent,
        )

    return make
