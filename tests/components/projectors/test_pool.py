import pytest
import torch

from graphkd.component import find
from graphkd.components.projectors import Pool
from graphkd.errors import ComponentError

# one sample, one channel: 0 1 2 3 / 4 5 6 7 / 8 9 10 11 / 12 13 14 15
GRID = torch.arange(16.0).reshape(1, 1, 4, 4)


def test_registered():
    assert find("projector", "pool") is Pool


@pytest.mark.parametrize(("kind", "expected"), [("mean", 7.5), ("max", 15.0)])
def test_whole_grid_by_hand(site, kind, expected):
    pooled = Pool(kind=kind).build(site((1, 1, 4, 4)))(GRID)
    assert pooled.tolist() == [[expected]]


@pytest.mark.parametrize(("kind", "expected"), [("mean", [2.0, 20.0]), ("max", [3.0, 30.0])])
def test_tokens_by_hand(site, kind, expected):
    tokens = torch.tensor([[[1.0, 30.0], [2.0, 20.0], [3.0, 10.0]]])
    assert Pool(kind=kind).build(site((1, 3, 2)))(tokens).tolist() == [expected]


@pytest.mark.parametrize(
    ("kind", "expected"),
    # block 0 1 / 4 5 has mean 2.5 and maximum 5
    [("mean", [[2.5, 4.5], [10.5, 12.5]]), ("max", [[5.0, 7.0], [13.0, 15.0]])],
)
def test_equal_blocks_by_hand(site, kind, expected):
    pooled = Pool(kind=kind, size=2).build(site((1, 1, 4, 4)))(GRID)
    assert pooled.tolist() == [[expected]]


@pytest.mark.parametrize(
    ("kind", "expected"),
    # rows and columns 0-1, 1-2, 2-3: the first block is 0 1 / 4 5, the next 1 2 / 5 6
    [
        ("mean", [[2.5, 3.5, 4.5], [6.5, 7.5, 8.5], [10.5, 11.5, 12.5]]),
        ("max", [[5.0, 6.0, 7.0], [9.0, 10.0, 11.0], [13.0, 14.0, 15.0]]),
    ],
)
def test_overlapping_blocks_by_hand(site, kind, expected):
    pooled = Pool(kind=kind, size=3).build(site((1, 1, 4, 4)))(GRID)
    assert pooled.tolist() == [[expected]]


@pytest.mark.parametrize("shape", [(5, 3, 4, 6), (5, 3, 4, 5), (5, 3, 3, 7)])
def test_size_keeps_channels(site, shape):
    assert Pool(size=2).build(site(shape))(torch.zeros(shape)).shape == (5, 3, 2, 2)


def test_tokens_take_no_size(site):
    with pytest.raises(ComponentError) as error:
        Pool(size=2).build(site((2, 16, 3)))
    assert str(error.value) == (
        "size is 2, but 'b n=16 d=3' is no grid; drop size, or write tokens_to_grid before pool"
    )
    assert error.value.field == "size"


def test_grid_does_not_grow(site):
    with pytest.raises(ComponentError) as error:
        Pool(size=5).build(site((2, 3, 8, 4)))
    assert str(error.value) == (
        "size is 5, more than 'b c=3 h=8 w=4' has; try 4, or write resize instead"
    )
    assert error.value.field == "size"
