import torch

from graphkd.component import find
from graphkd.components.projectors import GridToTokens, TokensToGrid


def test_registered():
    assert find("projector", "grid_to_tokens") is GridToTokens


def test_by_hand(site):
    # channel 0 holds 0 1 2 / 3 4 5, channel 1 the same plus 10
    grid = torch.stack([torch.arange(6).reshape(2, 3), torch.arange(10, 16).reshape(2, 3)])[None]
    tokens = GridToTokens().build(site((1, 2, 2, 3)))(grid)
    assert tokens.tolist() == [[[0, 10], [1, 11], [2, 12], [3, 13], [4, 14], [5, 15]]]


def test_tokens_to_grid_takes_it_back(site):
    grid = torch.arange(2 * 3 * 2 * 4).reshape(2, 3, 2, 4)
    tokens = GridToTokens().build(site((2, 3, 2, 4)))(grid)
    assert torch.equal(TokensToGrid(height=2).build(site((2, 8, 3)))(tokens), grid)
