import pytest
import torch

from graphkd.component import find
from graphkd.components.projectors import Resize
from graphkd.errors import ComponentError


def test_registered():
    assert find("projector", "resize") is Resize


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        # centres of the output at -0.25, 0.25, 0.75, 1.25 input pixels; outside, the edge value
        ("bilinear", [0.0, 1.0, 3.0, 4.0]),
        ("nearest", [0.0, 0.0, 4.0, 4.0]),
        ("area", [0.0, 0.0, 4.0, 4.0]),
    ],
)
def test_growing_by_hand(site, mode, expected):
    resize = Resize(height=1, width=4, mode=mode).build(site((1, 1, 1, 2)))
    assert resize(torch.tensor([[[[0.0, 4.0]]]])).tolist() == [[[expected]]]


@pytest.mark.parametrize(
    ("mode", "expected"),
    # centre at 1.5 input pixels: bilinear reads 2 and 4, area all of 1, 2, 4 and 9
    [("bilinear", 3.0), ("nearest", 1.0), ("area", 4.0)],
)
def test_shrinking_by_hand(site, mode, expected):
    resize = Resize(height=1, width=1, mode=mode).build(site((1, 1, 1, 4)))
    assert resize(torch.tensor([[[[1.0, 2.0, 4.0, 9.0]]]])).tolist() == [[[[expected]]]]


def test_size_is_that_of_the_other_side(site):
    resize = Resize().build(site((2, 3, 4, 4), target=(2, 8, 7, 5)))
    assert resize(torch.zeros(6, 3, 4, 4)).shape == (6, 3, 7, 5)


@pytest.mark.parametrize(("settings", "grid"), [({"height": 2}, (2, 5)), ({"width": 2}, (7, 2))])
def test_one_parameter_leaves_the_other_size(site, settings, grid):
    resize = Resize(**settings).build(site((2, 3, 4, 4), target=(2, 8, 7, 5)))
    assert resize(torch.zeros(6, 3, 4, 4)).shape == (6, 3, *grid)


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "area"])
def test_same_size_changes_nothing(site, mode):
    grid = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    resize = Resize(mode=mode).build(site((2, 3, 5, 4), target=(2, 3, 5, 4)))
    assert torch.equal(resize(grid), grid)


@pytest.mark.parametrize(
    ("settings", "target", "message", "field"),
    [
        (
            {},
            None,
            "resize cannot tell its output size: nothing is known of the other side; "
            "say height: N and width: N",
            "height",
        ),
        (
            {},
            (2, 49, 8),
            "resize cannot tell its output size: the other side, 'b n=49 d=8', is no grid; "
            "say height: N and width: N",
            "height",
        ),
        (
            {"height": 4},
            None,
            "resize cannot tell its output size: nothing is known of the other side; say width: N",
            "width",
        ),
    ],
)
def test_unknown_size(site, settings, target, message, field):
    with pytest.raises(ComponentError) as error:
        Resize(**settings).build(site((2, 3, 4, 4), target=target))
    assert str(error.value) == message
    assert error.value.field == field
