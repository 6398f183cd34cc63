"""Numbers on the device: what is copied, once, and what is taken as it is."""

import pytest
import torch

from graphkd.kernels.factors import numbers_on_device, scale_on_device, weights_on_device

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("weights", "want"),
    [
        (None, [1.0, 1.0, 1.0]),
        ([0.5, 2, -1.0], [0.5, 2.0, -1.0]),
        ((0.0, 0.0, 3.0), [0.0, 0.0, 3.0]),
        (torch.tensor([1.0, 2.0, 3.0]), [1.0, 2.0, 3.0]),
        # a launch reads neighbours
        (torch.tensor([1.0, 0.0, 2.0, 0.0, 3.0, 0.0])[::2], [1.0, 2.0, 3.0]),
    ],
)
def test_weights_are_float32_next_to_each_other(weights, want):
    got = weights_on_device(weights, 3, CPU)
    assert torch.equal(got, torch.tensor(want))
    assert got.dtype == torch.float32
    assert got.is_contiguous()


@pytest.mark.parametrize("scale", [1024, 1024.0, torch.tensor(1024.0, dtype=torch.float64)])
def test_scale_is_one_float32(scale):
    got = scale_on_device(scale, CPU)
    assert got.dtype == torch.float32
    assert got.reshape(()) == 1024.0


def test_no_gradient_is_kept_of_a_tensor():
    given = torch.ones(1, requires_grad=True)
    assert not weights_on_device(given, 1, CPU).requires_grad
    assert not scale_on_device(given, CPU).requires_grad


def test_equal_numbers_are_copied_once():
    first = numbers_on_device((0.25, 7.5), CPU)
    assert numbers_on_device((0.25, 7.5), CPU) is first
    assert numbers_on_device((0.25, 7.0), CPU) is not first
    meta = numbers_on_device((0.25, 7.5), torch.device("meta"))
    assert meta.device.type == "meta"


def test_what_inference_copied_first_serves_a_training_step_later():
    with torch.inference_mode():
        copied = numbers_on_device((0.123, 4.56), CPU)
    assert not copied.is_inference()
    learns = torch.ones(2, requires_grad=True)
    (learns * copied).sum().backward()
    assert torch.equal(learns.grad, torch.tensor([0.123, 4.56]))


def test_numbers_that_change_while_compiled_are_new_numbers():
    def scaled(x, number):
        return x * scale_on_device(number, CPU)

    torch.compiler.reset()
    compiled = torch.compile(scaled, backend="eager", fullgraph=True)
    for number in (2.0, 3.0, 4.0):
        assert torch.equal(compiled(torch.ones(1), number), torch.tensor([number]))
