import pytest
import torch
from torch import nn

from graphkd.component import find
from graphkd.components.projectors import Conv1x1
from graphkd.errors import ComponentError


def test_registered():
    assert find("projector", "conv1x1") is Conv1x1


def test_by_hand(site):
    conv = Conv1x1(features=1, activation="relu").build(site((1, 2, 1, 2)))
    weights = {"0.weight": [[[[1.0]], [[-2.0]]]], "0.bias": [0.5]}
    conv.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
    grid = torch.tensor([[[[1.0, 4.0]], [[3.0, 1.0]]]])
    # places 1 - 2*3 + 0.5 = -4.5, cut to 0, and 4 - 2*1 + 0.5 = 2.5
    torch.testing.assert_close(conv(grid), torch.tensor([[[[0.0, 2.5]]]]))


def test_output_size_is_the_channels_of_the_other_side(site):
    conv = Conv1x1().build(site((2, 3, 4, 4), target=(2, 8, 7, 7)))
    assert conv(torch.zeros(5, 3, 4, 4)).shape == (5, 8, 4, 4)


def test_tokens_on_the_other_side_give_their_width(site):
    conv = Conv1x1().build(site((2, 3, 4, 4), target=(2, 49, 8)))
    assert conv(torch.zeros(5, 3, 4, 4)).shape == (5, 8, 4, 4)


@pytest.mark.parametrize(
    ("settings", "layers", "bias"),
    [
        ({}, [nn.Conv2d], True),
        ({"bias": False}, [nn.Conv2d], False),
        ({"norm": True}, [nn.Conv2d, nn.BatchNorm2d], False),
        ({"norm": True, "bias": False}, [nn.Conv2d, nn.BatchNorm2d], False),
        ({"norm": True, "activation": "relu"}, [nn.Conv2d, nn.BatchNorm2d, nn.ReLU], False),
    ],
)
def test_layers(site, settings, layers, bias):
    conv = Conv1x1(features=4, **settings).build(site((2, 3, 4, 4)))
    assert [type(layer) for layer in conv] == layers
    assert (conv[0].bias is not None) == bias


def test_regressor_is_normalized_then_cut(site):
    conv = Conv1x1(features=4, norm=True, activation="relu").build(site((2, 3, 4, 4)))
    grid = torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    out = conv[:2](grid)
    torch.testing.assert_close(out.mean(dim=(0, 2, 3)), torch.zeros(4), atol=1e-6, rtol=0)
    assert conv(grid).min() == 0


def test_bias_before_a_norm_is_refused():
    with pytest.raises(ComponentError) as error:
        Conv1x1(features=4, norm=True, bias=True)
    assert str(error.value) == (
        "bias is true, but the norm behind it takes it away again; drop bias"
    )
    assert error.value.field == "bias"


def test_unknown_output_size(site):
    with pytest.raises(ComponentError) as error:
        Conv1x1().build(site((2, 3, 4, 4)))
    assert str(error.value) == (
        "conv1x1 cannot tell its output size: nothing is known of the other side; say features: N"
    )
    assert error.value.field == "features"
