from __future__ import annotations

import math

import pytest
import torch
from einops import rearrange
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from graphkd.component import Socket
from graphkd.components.models.local_to_global import LocalToGlobal


def socket(*sizes):
    return Socket("b c h w" if len(sizes) == 3 else "b n d", (2, *sizes))


def projector(early, late, *, heads=0, window=7, mlp_ratio=4.0):
    return LocalToGlobal(
        socket(*early), socket(*late), heads=heads, window=window, mlp_ratio=mlp_ratio
    ).eval()


def spread(module):
    """Give every parameter values that matter, also those that start at 0 or 1."""
    for each in module.parameters():
        each.copy_(torch.randn_like(each) * 0.3 + (each == 1))
    return module.double()


def attend(places, block, *, heads, window):
    """One Swin block without shift, place by place; "b h w d", in the block's own precision."""
    state = dict(block.named_parameters())
    normed = F.layer_norm(
        places, places.shape[-1:], state["norm1.weight"], state["norm1.bias"], eps=1e-5
    )
    _, height, width, dim = places.shape
    query, key, value = (
        F.linear(normed, weight, bias)
        for weight, bias in zip(
            state["attn.qkv.weight"].chunk(3), state["attn.qkv.bias"].chunk(3), strict=True
        )
    )
    table = state["attn.relative_position_bias_table"].view(2 * window - 1, 2 * window - 1, heads)
    size = dim // heads
    mixed = torch.zeros_like(places)
    spots = [(row, column) for row in range(height) for column in range(width)]
    for row, column in spots:
        near = [
            (i, j)
            for i, j in spots
            if (i // window, j // window) == (row // window, column // window)
        ]
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            scores = torch.stack(
                [
                    (query[:, row, column, part] * key[:, i, j, part]).sum(-1) / math.sqrt(size)
                    + table[row - i + window - 1, column - j + window - 1, head]
                    for i, j in near
                ],
                dim=-1,
            )
            values = torch.stack([value[:, i, j, part] for i, j in near], dim=1)
            mixed[:, row, column, part] = (scores.softmax(-1)[..., None] * values).sum(1)
    places = places + F.linear(mixed, state["attn.proj.weight"], state["attn.proj.bias"])
    normed = F.layer_norm(
        places, places.shape[-1:], state["norm2.weight"], state["norm2.bias"], eps=1e-5
    )
    hidden = F.gelu(F.linear(normed, state["mlp.fc1.weight"], state["mlp.fc1.bias"]))
    return places + F.linear(hidden, state["mlp.fc2.weight"], state["mlp.fc2.bias"])


def embed(module, grid, step):
    """The patch embedding by hand: each step x step patch times one matrix, then LayerNorm."""
    patches = rearrange(grid, "b c (h p) (w q) -> b h w (c p q)", p=step, q=step)
    places = F.linear(patches, module.embed.weight.flatten(1), module.embed.bias)
    return F.layer_norm(places, places.shape[-1:], module.norm.weight, module.norm.bias)


@pytest.mark.parametrize(("late", "form"), [((16, 6), "b h w d -> b (h w) d"), ((6, 4, 4), None)])
def test_layers_are_those_of_the_formula_in_float64(late, form):
    module = spread(projector((3, 8, 8), late, heads=2, window=2))
    grid = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    expected = attend(embed(module, grid, 2), module.block, heads=2, window=2)
    expected = rearrange(expected, form or "b h w d -> b d h w")
    torch.testing.assert_close(module(grid), expected)


def test_tokens_are_laid_out_row_by_row():
    torch.manual_seed(0)
    grids, tokens = projector((3, 4, 4), (16, 6)), projector((16, 3), (16, 6))
    tokens.load_state_dict(grids.state_dict())
    value = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(tokens(value.flatten(2).transpose(1, 2)), grids(value))


def test_before_convolutions_the_block_is_depthwise_then_pointwise():
    module = spread(projector((3, 8, 8), (6, 4, 4)))
    grid = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    depthwise, pointwise, norm, _ = module.block
    norm.running_mean.normal_()
    places = rearrange(embed(module, grid, 2), "b h w d -> b d h w")
    spread_out = F.conv2d(places, depthwise.weight, padding=1, groups=6)
    mixed = torch.einsum("bchw,dc->bdhw", spread_out, pointwise.weight[:, :, 0, 0])
    scale = (norm.weight / (norm.running_var + 1e-5).sqrt())[:, None, None]
    shifted = (mixed - norm.running_mean[:, None, None]) * scale + norm.bias[:, None, None]
    torch.testing.assert_close(module(grid), shifted.clamp(min=0))
    assert module(grid).max() > 0


sizes = st.integers(1, 9)


@settings(max_examples=25, deadline=None)
@given(early=st.tuples(sizes, sizes), late=st.tuples(sizes, sizes), window=st.integers(1, 8))
@pytest.mark.parametrize("heads", [0, 2])
def test_any_grid_becomes_any_other(heads, early, late, window):
    with torch.device("meta"):
        module = projector((3, *early), (4, *late), heads=heads, window=window)
        assert module(torch.empty(5, 3, *early)).shape == (5, 4, *late)


@pytest.mark.parametrize(
    ("early", "late", "step"),
    [((14, 14), (14, 14), (1, 1)), ((14, 14), (7, 7), (2, 2)), ((12, 6), (4, 3), (3, 2))],
)
def test_whole_steps_are_taken_by_the_convolution(early, late, step):
    module = projector((3, *early), (4, *late), heads=2)
    assert isinstance(module.pool, nn.Identity)
    assert module.embed.kernel_size == module.embed.stride == step


@pytest.mark.parametrize(("early", "late"), [(7, 4), (4, 7), (2, 4)])
def test_other_grids_are_averaged_or_repeated_first(early, late):
    torch.manual_seed(0)
    other, same = projector((3, early, early), (4, late, late), heads=2), None
    same = projector((3, late, late), (4, late, late), heads=2)
    same.load_state_dict(other.state_dict())
    value = torch.randn(2, 3, early, early)
    # each late place is the mean over the early ones that it overlaps
    edges = [(k * early // late, -(-(k + 1) * early // late)) for k in range(late)]
    means = [value[..., a:b, c:d].mean((2, 3)) for a, b in edges for c, d in edges]
    pooled = torch.stack(means, dim=2).view(2, 3, late, late)
    assert same.embed.kernel_size == (1, 1)
    torch.testing.assert_close(other(value), same(pooled))


def reach(module, side, place):
    """Say which places of the result change with one of the input."""
    value = torch.randn(1, 3, side, side)
    other = value.clone()
    other[..., place[0], place[1]] += 1.0
    changed = (module(value) - module(other)).abs().sum(dim=1)[0] > 1e-6
    return {tuple(spot) for spot in changed.nonzero().tolist()}


@pytest.mark.parametrize(
    ("side", "window", "place", "rows"),
    [
        # one window
        (7, 7, (0, 6), range(7)),
        # four of 7 x 7
        (14, 7, (6, 6), range(7)),
        (14, 7, (7, 7), range(7, 14)),
        # not 7 and 1: two of 4
        (8, 7, (0, 0), range(4)),
        # two of 5, the last padded
        (9, 7, (5, 5), range(5, 9)),
        (5, 1, (2, 2), range(2, 3)),
    ],
)
def test_places_of_one_window_see_each_other(side, window, place, rows):
    torch.manual_seed(0)
    module = projector((3, side, side), (4, side, side), heads=2, window=window)
    for each in module.parameters():
        each.add_(torch.randn_like(each))
    assert reach(module, side, place) == {(row, column) for row in rows for column in rows}


@pytest.mark.parametrize(
    ("width", "heads", "expected"),
    [(768, 24, 24), (384, 0, 6), (768, 0, 12), (32, 0, 1), (200, 0, 2), (210, 0, 3), (193, 0, 1)],
)
def test_heads_are_the_hosts_or_one_for_64_channels(width, heads, expected):
    with torch.device("meta"):
        module = projector((3, 2, 2), (4, width), heads=heads)
    assert module.block.attn.num_heads == expected


def test_initial_weights():
    torch.manual_seed(0)
    module = projector((32, 8, 8), (256, 4, 4), heads=4)
    for name, value in module.named_parameters():
        if name.endswith("bias"):
            assert not value.any()
    assert torch.equal(module.norm.weight, torch.ones(256))
    # fan-in 32 x 2 x 2, gain of ReLU
    assert module.embed.weight.std().item() == pytest.approx(math.sqrt(2 / 128), rel=0.05)
    for layer in (module.block.attn.qkv, module.block.attn.proj, *module.block.mlp.children()):
        if isinstance(layer, nn.Linear):
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
    depthwise, pointwise, _, _ = projector((32, 8, 8), (256, 4, 4)).block
    assert depthwise.weight.std().item() == pytest.approx(math.sqrt(2 / 9), rel=0.05)
    assert pointwise.weight.std().item() == pytest.approx(math.sqrt(2 / 256), rel=0.05)


def test_parameters_of_resnet18_to_swin_tiny():
    with torch.device("meta"):
        module = projector((256, 14, 14), (768, 7, 7), heads=24)
    embedding = 256 * 2 * 2 * 768 + 768
    norms = 3 * 2 * 768
    attention = 768 * 3 * 768 + 3 * 768 + 768 * 768 + 768 + 13 * 13 * 24
    mlp = 768 * 3072 + 3072 + 3072 * 768 + 768
    count = sum(each.numel() for each in module.parameters())
    assert count == embedding + norms + attention + mlp == 7_880_664


def test_mlp_ratio_is_the_hidden_width():
    module = projector((3, 2, 2), (4, 8), mlp_ratio=1.5)
    assert module.block.mlp.fc1.out_features == 12
