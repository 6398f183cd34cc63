import math

import pytest
import torch

from graphkd.component import find
from graphkd.components.projectors import MLP
from graphkd.errors import ComponentError


def test_registered():
    assert find("projector", "mlp") is MLP


@pytest.mark.parametrize(
    ("activation", "of_minus_one"),
    # gelu(x) = x (1 + erf(x / sqrt 2)) / 2
    [("relu", 0.0), ("gelu", -(1 + math.erf(-1 / math.sqrt(2))) / 2)],
)
def test_by_hand(site, activation, of_minus_one):
    mlp = MLP(features=1, hidden=1, activation=activation).build(site((1, 1)))
    weights = {"0.weight": [[2.0]], "0.bias": [1.0], "2.weight": [[3.0]], "2.bias": [0.5]}
    mlp.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
    # hidden 2*(-1) + 1 = -1, output 3 a(-1) + 0.5
    expected = torch.tensor([[3 * of_minus_one + 0.5]])
    torch.testing.assert_close(mlp(torch.tensor([[-1.0]])), expected)


def test_hidden_is_the_larger_size(site):
    widths = [layer.out_features for layer in MLP().build(site((2, 3), target=(2, 5)))[::2]]
    assert widths == [5, 5]
    widths = [layer.out_features for layer in MLP().build(site((2, 9), target=(2, 5)))[::2]]
    assert widths == [9, 5]


@pytest.mark.parametrize(("depth", "kinds"), [(1, "L"), (2, "LRL"), (3, "LRLRL")])
def test_depth_counts_the_matrices(site, depth, kinds):
    mlp = MLP(features=4, depth=depth).build(site((2, 3)))
    assert "".join(type(layer).__name__[0] for layer in mlp) == kinds
    assert mlp(torch.zeros(2, 6, 3)).shape == (2, 6, 4)


def test_unknown_output_size(site):
    with pytest.raises(ComponentError) as error:
        MLP().build(site((2, 3)))
    assert str(error.value) == (
        "mlp cannot tell its output size: nothing is known of the other side; say features: N"
    )
    assert error.value.field == "features"


def test_grid_is_refused(site):
    with pytest.raises(ComponentError) as error:
        MLP(features=4).build(site((2, 64, 8, 6)))
    assert str(error.value) == (
        "mlp changes the last axis, which is the width of 'b c=64 h=8 w=6'; "
        "write conv1x1 instead, or pool or grid_to_tokens before it"
    )
