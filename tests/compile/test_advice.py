import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphkd.blueprint.read import read_text
from graphkd.compile.advice import advice
from graphkd.component import Site, Socket, find
from graphkd.graph import layout_of, match


def socket(*shape):
    return Socket(layout_of(shape), shape)


def sockets():
    size = st.integers(1, 9)
    grid = st.builds(socket, st.just(2), size, size, size)
    tokens = st.builds(socket, st.just(2), size, size)
    return st.one_of(grid, tokens, st.builds(socket, st.just(2), size))


PORTS = [("...", "..."), ("b c", "b c"), ("b d | b n d", "b d | b n d"), ("b c h w", "b c h w")]


@given(st.sampled_from(PORTS), sockets(), sockets())
def test_what_is_advised_makes_the_two_sides_fit(ports, learner, knowledge):
    found = advice(ports, learner, knowledge)
    if not found:
        # a vector cannot become a grid, nor tokens that fill no square
        assert ports == ("b c h w", "b c h w")
        return
    steps = read_text(f"via: {found}", "advice").value["via"]
    steps = steps if isinstance(steps, list) else [steps]
    parts = [step if isinstance(step, dict) else {"type": step, "on": "to"} for step in steps]
    other = applied([part["type"] for part in parts if part["on"] == "from"], knowledge, None)
    one = applied([part["type"] for part in parts if part["on"] == "to"], learner, other)
    sizes = match(ports[0], one, {})
    assert sizes is not None and match(ports[1], other, sizes) is not None


def applied(names, source, target):
    for name in names:
        module = find("projector", name)().build(Site({"input": (source,)}, target=target))
        source = socket(*module(torch.zeros(source.shape)).shape)
    return source


@pytest.mark.parametrize(
    ("ports", "learner", "knowledge", "expected"),
    [
        (("...", "..."), (2, 8, 4, 4), (2, 16, 4, 4), "conv1x1"),
        (("...", "..."), (2, 8, 4, 4), (2, 8, 2, 2), "resize"),
        (("...", "..."), (2, 8, 4, 4), (2, 16, 2, 2), "[conv1x1, resize]"),
        (("...", "..."), (2, 8, 4, 4), (2, 16, 7), "[grid_to_tokens, linear]"),
        (("...", "..."), (2, 16, 7), (2, 8, 2, 2), "[tokens_to_grid, conv1x1, resize]"),
        (("...", "..."), (2, 17, 7), (2, 7, 2, 2), "[{type: pool, on: from}, pool]"),
        (("b c", "b c"), (2, 8, 4, 4), (2, 8), "pool"),
        (("b c", "b c"), (2, 8, 4, 4), (2, 5, 7), "[{type: pool, on: from}, pool, linear]"),
        (("b c", "b c"), (2, 8), (2, 7), "linear"),
    ],
)
def test_advice_by_hand(ports, learner, knowledge, expected):
    assert advice(ports, socket(*learner), socket(*knowledge)) == expected
