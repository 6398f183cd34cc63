import pytest
import torch
from torch import nn

from graphkd.compile.cost import measure, parameters


def meta(*shape):
    return torch.empty(shape, device="meta")


WEIGHT = meta(2, 5)


def test_a_linear_layer_by_hand():
    with torch.device("meta"):
        layer = nn.Linear(8, 3)
    output, cost = measure(layer, (meta(2, 8),))
    assert output.shape == (2, 3)
    # 8 multiplications and 8 additions for each of 3 outputs; 3 floats of 4 bytes
    assert (cost.flops, cost.activation_bytes) == (48, 12)
    # 24 weights and 3 biases
    assert parameters(layer) == (27, 108)


def test_a_convolution_by_hand():
    with torch.device("meta"):
        layer = nn.Conv2d(3, 4, 3, padding=1)
    output, cost = measure(layer, (meta(2, 3, 8, 8),))
    assert output.shape == (2, 4, 8, 8)
    # 3 channels of 9 pixels, twice, for each of 4 x 64 outputs; 256 floats of 4 bytes
    assert (cost.flops, cost.activation_bytes) == (2 * 27 * 256, 1024)
    # 4 kernels of 27 weights, and 4 biases
    assert parameters(layer) == (112, 448)


def test_buffers_have_bytes_but_are_no_parameters():
    # weight, bias, mean and variance of 4 channels; one count of 8 bytes
    assert parameters(nn.BatchNorm2d(4)) == (8, 4 * 4 * 4 + 8)
    assert parameters(None) == (0, 0)


@pytest.mark.parametrize(
    ("forward", "size"),
    [
        # one new tensor of 12 floats in 3 samples
        (lambda x: x + 1, 16),
        # a view and a change in place need none
        (lambda x: x.view(12), 0),
        (lambda x: x.relu_(), 0),
        (lambda x: (x + 1).relu_().view(4, 3).t(), 16),
        # two halves of the input share its memory
        (lambda x: x.chunk(2, dim=1), 0),
        # values and the int64 indices of 3 samples
        (lambda x: x.max(dim=1), 4 + 8),
        # a matrix product is made once, however it is reshaped inside
        (lambda x: x.view(3, 2, 2) @ WEIGHT, 2 * 5 * 4),
    ],
)
def test_bytes_of_new_tensors(forward, size):
    assert measure(forward, (meta(3, 4),))[1].activation_bytes == size


def test_batch_size_does_not_change_the_cost_of_a_sample():
    with torch.device("meta"):
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    costs = [measure(model, (meta(batch, 3, 8, 8),))[1] for batch in (1, 2, 5)]
    assert costs[0] == costs[1] == costs[2]


def test_attention_counts_both_products():
    q = meta(2, 4, 16, 8)
    cost = measure(nn.functional.scaled_dot_product_attention, (q, q, q))[1]
    # 4 heads, 16 x 16 pairs, 8 channels, a multiplication and an addition, twice
    assert cost.flops == 2 * 2 * 4 * 16 * 16 * 8


def test_lent_modules_are_counted_at_their_owner():
    owner = nn.Linear(8, 3)
    hybrid = nn.Sequential(owner, nn.Linear(3, 2))
    assert parameters(hybrid, [owner]) == (8, 32)
    assert parameters(owner, [owner]) == (0, 0)


def test_counting_allocates_nothing():
    forward = nn.Linear(8, 3, device="meta")
    output, _ = measure(forward, (meta(2, 8),))
    assert output.is_meta and not output.requires_grad
