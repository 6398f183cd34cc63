import pytest
import torch

from graphkd.component import find
from graphkd.components.projectors import TokensToGrid
from graphkd.errors import ComponentError


def test_registered():
    assert find("projector", "tokens_to_grid") is TokensToGrid


def test_by_hand(site):
    # token i holds i and i + 10
    tokens = torch.stack([torch.arange(6), torch.arange(10, 16)], dim=-1)[None]
    grid = TokensToGrid(height=2).build(site((1, 6, 2)))(tokens)
    assert grid.tolist() == [[[[0, 1, 2], [3, 4, 5]], [[10, 11, 12], [13, 14, 15]]]]


def test_prefix_is_dropped(site):
    tokens = torch.arange(6).reshape(1, 6, 1)
    grid = TokensToGrid(prefix=2).build(site((1, 6, 1)))(tokens)
    assert grid.tolist() == [[[[2, 3], [4, 5]]]]


@pytest.mark.parametrize(
    ("settings", "tokens", "grid"),
    [
        ({}, 196, (14, 14)),
        ({"prefix": 1}, 197, (14, 14)),
        ({"height": 3}, 12, (3, 4)),
        ({"height": 4, "prefix": 1}, 13, (4, 3)),
        ({}, 1, (1, 1)),
    ],
)
def test_shape(site, settings, tokens, grid):
    module = TokensToGrid(**settings).build(site((2, tokens, 5)))
    assert module(torch.zeros(3, tokens, 5)).shape == (3, 5, *grid)


@pytest.mark.parametrize(
    ("settings", "tokens", "message", "field"),
    [
        ({}, 197, "197 tokens are no square; write prefix: 1 or height: N", "height"),
        ({}, 63, "63 tokens are no square; write height: N", "height"),
        (
            {"prefix": 2},
            197,
            "195 tokens behind the prefix are no square; write prefix: 1 or height: N",
            "height",
        ),
        (
            {"prefix": 1},
            196,
            "195 tokens behind the prefix are no square; write prefix: 0 or height: N",
            "height",
        ),
        (
            {"height": 5},
            16,
            "height is 5, but 16 tokens do not make 5 equal rows; write a number that divides 16",
            "height",
        ),
        (
            {"prefix": 4},
            4,
            "prefix is 4, which leaves nothing of 'b n=4 d=5'; write a number below 4",
            "prefix",
        ),
    ],
)
def test_errors(site, settings, tokens, message, field):
    with pytest.raises(ComponentError) as error:
        TokensToGrid(**settings).build(site((2, tokens, 5)))
    assert str(error.value) == message
    assert error.value.field == field
