"""The difference that is squared near zero."""

import math

import pytest
import torch
import torch.nn.functional as F

from graphkd.component import help_of, kind_of, name_of
from graphkd.components.losses import L1, SmoothL1


def test_by_hand():
    # beta 2, differences 1 (below: 1 / 4), -4 (above: 4 - 1), 0 and 2 (both the same: 1)
    student, teacher = torch.tensor([1.0, 0.0, 3.0, 4.0]), torch.tensor([0.0, 4.0, 3.0, 2.0])
    got = SmoothL1(beta=2.0)(student, teacher)
    assert torch.equal(got, torch.tensor((0.25 + 3.0 + 0.0 + 1.0) / 4))


@pytest.mark.parametrize("sizes", [(1,), (7, 10), (3, 5, 9), (2, 8, 7, 7)])
def test_it_is_bitwise_the_function_of_pytorch(sizes):
    student, teacher = torch.randn(sizes), torch.randn(sizes)
    assert torch.equal(SmoothL1()(student, teacher), F.smooth_l1_loss(student, teacher))


def test_a_small_beta_is_l1():
    student, teacher = torch.randn(7, 10), torch.randn(7, 10)
    # each element is less by beta / 2
    torch.testing.assert_close(SmoothL1(beta=1e-6)(student, teacher), L1()(student, teacher))


@pytest.mark.parametrize("beta", [0.0, -1.0, math.nan])
def test_beta_must_be_above_zero(beta):
    with pytest.raises(ValueError):
        SmoothL1(beta=beta)


def test_it_is_known_as_smooth_l1():
    assert (kind_of(SmoothL1), name_of(SmoothL1)) == ("loss", "smooth_l1")
    assert help_of(SmoothL1).keys() == {"beta"}
    assert [port.name for port in SmoothL1.ports] == ["student", "teacher"]
