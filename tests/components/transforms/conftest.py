from collections.abc import Callable

import pytest

from graphkd.component import Site, Socket
from graphkd.graph.ports import layout_of


@pytest.fixture(scope="session")
def site() -> Callable[..., Site]:
    """Make the site of a transform from the shapes it reads."""

    def make(*shapes: tuple[int, ...]) -> Site:
        return Site(inputs={"input": tuple(Socket(layout_of(each), each) for each in shapes)})

    return make
