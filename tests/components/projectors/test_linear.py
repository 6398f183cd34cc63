import attrs
import pytest
import torch

from graphkd.component import find
from graphkd.components.projectors import Linear
from graphkd.errors import ComponentError


def test_registered():
    assert find("projector", "linear") is Linear


def test_by_hand(site):
    linear = Linear(features=2).build(site((1, 2)))
    weights = {"weight": [[1.0, 2.0], [3.0, 4.0]], "bias": [10.0, 20.0]}
    linear.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
    # 1*5 + 2*6 + 10, 3*5 + 4*6 + 20
    torch.testing.assert_close(linear(torch.tensor([[5.0, 6.0]])), torch.tensor([[27.0, 59.0]]))


def test_output_size_is_the_parameter_before_the_other_side(site):
    linear = Linear(features=7).build(site((2, 3), target=(2, 5)))
    assert linear(torch.zeros(4, 3)).shape == (4, 7)


@pytest.mark.parametrize(("target", "features"), [((2, 5), 5), ((2, 9, 6), 6), ((2, 8, 4, 4), 8)])
def test_output_size_is_the_channels_of_the_other_side(site, target, features):
    linear = Linear().build(site((2, 3), target=target))
    assert linear(torch.zeros(4, 3)).shape == (4, features)


def test_tokens_keep_their_axes(site):
    linear = Linear(features=7).build(site((2, 16, 3)))
    assert linear(torch.zeros(4, 16, 3)).shape == (4, 16, 7)


def test_without_bias(site):
    assert Linear(features=2, bias=False).build(site((2, 3))).bias is None


def test_unknown_output_size(site):
    with pytest.raises(ComponentError) as error:
        Linear().build(site((2, 3)))
    assert str(error.value) == (
        "linear cannot tell its output size: nothing is known of the other side; say features: N"
    )
    assert error.value.field == "features"


def test_batch_size_is_no_output_size(site):
    with pytest.raises(ComponentError) as error:
        Linear().build(site((2, 3), target=(2,)))
    assert str(error.value) == (
        "linear cannot tell its output size: the other side, 'b', has no channels; say features: N"
    )


def test_grid_is_refused(site):
    with pytest.raises(ComponentError) as error:
        Linear().build(site((2, 64, 8, 8), target=(2, 5)))
    assert str(error.value) == (
        "linear changes the last axis, which is the width of 'b c=64 h=8 w=8'; "
        "write conv1x1 instead, or pool or grid_to_tokens before it"
    )


def test_features_above_zero():
    with pytest.raises(ValueError, match="'features' must be >= 1: 0"):
        attrs.evolve(Linear(), features=0)
