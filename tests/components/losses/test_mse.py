"""The squared difference."""

import pytest
import torch
import torch.nn.functional as F

from graphkd.component import kind_of, name_of
from graphkd.components.losses import MSE


def test_by_hand():
    # (1 + 4 + 0 + 9) / 4
    got = MSE()(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[0.0, 4.0], [3.0, 1.0]]))
    assert torch.equal(got, torch.tensor(3.5))


@pytest.mark.parametrize("sizes", [(1,), (7, 10), (3, 5, 9), (2, 8, 7, 7)])
def test_it_is_bitwise_the_function_of_pytorch(sizes):
    student, teacher = torch.rand(sizes, requires_grad=True), torch.rand(sizes)
    got, plain = MSE()(student, teacher), F.mse_loss(student, teacher)
    assert torch.equal(got, plain)
    (gradient,) = torch.autograd.grad(got, student)
    (plain_gradient,) = torch.autograd.grad(plain, student)
    assert torch.equal(gradient, plain_gradient)


def test_it_is_known_as_mse():
    assert (kind_of(MSE), name_of(MSE)) == ("loss", "mse")


def test_any_shape_will_do_if_it_is_the_same():
    assert [(port.name, port.shape) for port in MSE.ports] == [
        ("student", "..."),
        ("teacher", "..."),
    ]
