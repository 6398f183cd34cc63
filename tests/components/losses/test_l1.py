"""The absolute difference."""

import pytest
import torch
import torch.nn.functional as F

from graphkd.component import kind_of, name_of
from graphkd.components.losses import L1


def test_by_hand():
    # (1 + 2 + 0 + 3) / 4
    got = L1()(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[0.0, 4.0], [3.0, 1.0]]))
    assert torch.equal(got, torch.tensor(1.5))


@pytest.mark.parametrize("sizes", [(1,), (7, 10), (3, 5, 9), (2, 8, 7, 7)])
def test_it_is_bitwise_the_function_of_pytorch(sizes):
    student, teacher = torch.rand(sizes), torch.rand(sizes)
    assert torch.equal(L1()(student, teacher), F.l1_loss(student, teacher))


def test_it_is_known_as_l1():
    assert (kind_of(L1), name_of(L1)) == ("loss", "l1")


def test_any_shape_will_do_if_it_is_the_same():
    assert [(port.name, port.shape) for port in L1.ports] == [
        ("student", "..."),
        ("teacher", "..."),
    ]
