from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from graphkd.components.models.wide.branched_conv import BranchedConv2d, branchable, frequency_prior


def conv(*, depthwise=False, bias=True):
    groups = 6 if depthwise else 1
    layer = nn.Conv2d(6, 6 if depthwise else 5, 3, padding=1, groups=groups, bias=bias)
    return layer.double()


def randomized(depthwise):
    block = BranchedConv2d(conv(depthwise=depthwise), branches=6, exact=False)
    for each in block.parameters():
        each.copy_(torch.randn_like(each))
    return block


def two_steps(block, index, x):
    """Run a branch as it is trained in principle, without its scale."""
    groups = block.groups
    match index:
        case 0:
            return F.conv2d(x, block.weight, padding=1, groups=groups)
        case 1:
            return (
                9
                / 9
                * F.avg_pool2d(
                    F.conv2d(x, block.average, groups=groups), 3, 1, 1, count_include_pad=True
                )
            )
        case 2:
            return F.conv2d(
                F.conv2d(x, block.frequency, groups=groups),
                frequency_prior(block.out_channels).double(),
                padding=1,
                groups=block.out_channels,
            )
        case 3:
            one = torch.ones(6, 1) if groups > 1 else torch.eye(6)
            before = (one + block.delta)[..., None, None]
            x = F.conv2d(x, before, groups=groups)
            return F.conv2d(x, block.after, padding=1, groups=groups)
        case 4:
            return F.conv2d(x, block.second, padding=1, groups=groups)
    x = F.conv2d(x, block.depth, padding=1, groups=6)
    return F.conv2d(x, block.point[..., None, None], groups=groups)


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("index", range(6))
def test_invariant_7_each_merged_kernel_is_its_branch_in_two_steps(index, depthwise):
    block = randomized(depthwise)
    x = torch.randn(2, 6, 7, 7, dtype=torch.float64)
    kernel = block.branch_kernel(index)
    found = F.conv2d(x, kernel, padding=1, groups=block.groups)
    torch.testing.assert_close(found, two_steps(block, index, x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("depthwise", [False, True])
def test_invariant_7_the_layer_is_the_scaled_sum_of_its_branches(depthwise):
    block = randomized(depthwise)
    x = torch.randn(2, 6, 7, 7, dtype=torch.float64)
    expected = block.bias[:, None, None] + sum(
        block.scales[index][:, None, None] * two_steps(block, index, x) for index in range(6)
    )
    torch.testing.assert_close(block(x), expected, rtol=1e-12, atol=1e-12)
    merged = block.merged()
    assert type(merged) is nn.Conv2d
    assert list(merged.state_dict()) == ["weight", "bias"]
    assert torch.equal(merged(x), block(x))


@pytest.mark.parametrize("channels", [4, 5])
def test_the_fixed_kernels_by_hand(channels):
    found = frequency_prior(channels)
    assert found.shape == (channels, 1, 3, 3)
    for o in range(channels):
        for h in range(3):
            for w in range(3):
                along = math.cos(math.pi * (h + 0.5) * (o + 1) / 3)
                if o >= channels / 2:
                    along = math.cos(math.pi * (w + 0.5) * (o + 1 - channels / 2) / 3)
                assert float(found[o, 0, h, w]) == pytest.approx(along, abs=1e-6)


@pytest.mark.parametrize("branches", range(1, 7))
@pytest.mark.parametrize("depthwise", [False, True])
def test_an_exact_start_leaves_the_layer_and_every_scale_learns(branches, depthwise):
    layer = conv(depthwise=depthwise, bias=False)
    x = torch.randn(2, 6, 7, 7, dtype=torch.float64)
    expected = layer(x)
    with torch.enable_grad():
        block = BranchedConv2d(layer, branches=branches, exact=True)
        assert torch.equal(block(x), expected)
        block(x).square().sum().backward()
    assert block.weight is layer.weight
    assert block.bias is None
    assert (block.scales.grad != 0).all()
    assert list(block.merged().state_dict()) == ["weight"]


def test_scales_from_scratch_are_the_published_ones():
    block = BranchedConv2d(conv(), branches=6, exact=False)
    expected = torch.tensor([0.25, 0.25, 0.0, 0.5, 0.05, 0.5], dtype=torch.float64)
    torch.testing.assert_close(block.scales, expected[:, None].expand(6, 5), rtol=1e-7, atol=0)
    # the identity is whole at first, and the new weights are Kaiming's
    assert not block.delta.any()
    bound = math.sqrt(6 / (6 * 9))
    assert 0.8 * bound < float(block.second.abs().max()) <= bound


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Conv2d(4, 8, 3, padding=1), True),
        (nn.Conv2d(4, 4, 3, padding=1, groups=4), True),
        (nn.Conv2d(4, 8, 3, padding="same"), True),
        (nn.Conv2d(4, 8, 3, padding=1, stride=2), False),
        (nn.Conv2d(4, 8, 3, padding=2, dilation=2), False),
        (nn.Conv2d(4, 8, 3), False),
        (nn.Conv2d(4, 8, 1), False),
        (nn.Conv2d(4, 8, 5, padding=2), False),
        (nn.Conv2d(4, 8, 3, padding=1, groups=2), False),
        (nn.Conv2d(4, 8, 3, padding=1, padding_mode="reflect"), False),
        (nn.Linear(4, 8), False),
    ],
)
def test_only_plain_3x3_layers_get_branches(layer, expected):
    assert branchable(layer) == expected
