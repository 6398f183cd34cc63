import pytest
import torch

from graphkd.component import find
from graphkd.components.projectors import NDHead
from graphkd.errors import ComponentError


def test_registered():
    assert find("projector", "nd_head") is NDHead


def test_by_hand(site):
    head = NDHead(features=1).build(site((2, 2)))
    head[2].load_state_dict({"weight": torch.tensor([[2.0, 1.0]]), "bias": torch.tensor([0.5])})
    head.eval()
    # as built, the normalization leaves x; 2*3 + 4 + 0.5
    got = head(torch.tensor([[3.0, 4.0]]))
    torch.testing.assert_close(got, torch.tensor([[10.5]]), atol=1e-4, rtol=0)


def test_bias_starts_from_nothing_and_half_is_dropped(site):
    head = NDHead().build(site((2, 1000), target=(2, 5)))
    assert head[2].bias.tolist() == [0.0] * 5
    dropped = (head[1](torch.ones(4, 1000)) == 0).float().mean().item()
    assert dropped == pytest.approx(0.5, abs=0.05)


def test_width_is_that_of_the_other_side(site):
    head = NDHead(dropout=0.0).build(site((2, 3), target=(2, 5)))
    assert head(torch.randn(4, 3)).shape == (4, 5)


def test_unknown_output_size(site):
    with pytest.raises(ComponentError) as error:
        NDHead().build(site((2, 3)))
    assert str(error.value) == (
        "nd_head cannot tell its output size: nothing is known of the other side; say features: N"
    )
