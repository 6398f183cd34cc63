"""What components say about themselves."""

import attrs

from graphkd.component import Port, Site, Socket, help_of, ports_of, reference_fields, summary_of
from graphkd.components.models import Call


@attrs.frozen
class Base:
    """A base.

    Attributes:
        first: said in the base,
            on two lines.
        second: said in the base.
    """

    first: int = 0
    second: int = 0


@attrs.frozen
class Derived(Base):
    """A derived one: with a colon.

    More text.

    Attributes:
        second: said anew.
        third: its own.

    Source: nowhere.
    """

    ports = (Port("input", "b c"),)

    third: int = 0


def test_help_is_read_from_the_docstring_and_inherited():
    assert help_of(Derived) == {
        "first": "said in the base, on two lines.",
        "second": "said anew.",
        "third": "its own.",
    }


def test_summary_and_ports():
    assert summary_of(Derived) == "A derived one: with a colon."
    assert ports_of(Derived) == ports_of(Derived()) == (Port("input", "b c"),)


def test_fields_that_name_another_node():
    assert reference_fields(Call) == reference_fields(Call(of="a")) == ("of",)


def test_sockets_know_their_axes():
    grid = Socket("b c h w", (2, 8, 4, 6))
    tokens = Socket("b n d", (2, 17, 32))
    assert (grid.channels, grid.spatial, str(grid)) == (8, (4, 6), "b c=8 h=4 w=6")
    assert (tokens.channels, tokens.spatial, str(tokens)) == (32, None, "b n=17 d=32")


def test_a_site_with_one_input_has_a_source():
    socket = Socket("b c", (2, 8))
    assert Site(inputs={"input": (socket,)}).source is socket
