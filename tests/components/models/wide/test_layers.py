"""Layers one by one: the wide layer on copies gives copies of what the student's layer gives."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from graphkd.components.models.wide.branched_conv import BranchedConv2d
from graphkd.components.models.wide.layers import Widths, widths
from graphkd.components.models.wide.model import plan, widen_modules
from graphkd.components.models.wide.shared_tensor import share_layer, tile


def pair(layer, width, *, copies, noise=0.0):
    """Share a layer under the path "0"; the rest of a model is not needed."""
    student = nn.Sequential(layer)
    wide = copy.deepcopy(student)
    layers = {"0": width}
    widen_modules(wide, layers, copies=copies)
    for path, spreads in plan(student, layers).items():
        share_layer(
            student.get_submodule(path),
            wide.get_submodule(path),
            spreads,
            copies=copies,
            noise=noise,
            known={},
        )
    return student, wide


def branched(*, depthwise):
    groups = 6 if depthwise else 1
    conv = nn.Conv2d(6, 6, 3, padding=1, groups=groups).double()
    block = BranchedConv2d(conv, branches=6, exact=False)
    for each in block.parameters():
        # the delta of branch 3 starts at zero, where a mistake in it would not show
        each.copy_(torch.randn_like(each))
    return block


@pytest.mark.parametrize("copies", [2, 3])
@pytest.mark.parametrize(
    ("width", "depthwise"),
    [
        (Widths(), False),
        (Widths(into=0), False),
        (Widths(out=0), False),
        (Widths(out=0, into=0), False),
        (Widths(), True),
    ],
)
def test_trained_branches_expand_exactly_in_every_place(width, depthwise, copies):
    block = branched(depthwise=depthwise)
    x = torch.randn(2, 6, 5, 5, dtype=torch.float64)
    expected = block(x)
    student, wide = pair(block, width, copies=copies)
    torch.testing.assert_close(student(x), expected, rtol=1e-12, atol=1e-12)
    given = tile(x, ((1, 1),), copies) if width.into else x
    found = wide(given)
    expected = tile(expected, ((1, 1),), copies) if width.out else expected
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    assert {*student.parameters()} == {*wide.parameters()}


def test_slicing_first_differs_from_merging_first_once_copies_are_apart():
    student, wide = pair(branched(depthwise=False), Widths(), copies=2)
    torch.testing.assert_close(2 * wide[0].kernel()[:6, :6], student[0].kernel())
    for each in student.parameters():
        each += 0.1 * torch.randn_like(each)
    assert not torch.allclose(2 * wide[0].kernel()[:6, :6], student[0].kernel(), rtol=1e-3)


def test_chunks_are_repeated_each_for_itself():
    rows = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert tile(rows, ((0, 1),), 2).tolist() == [1, 2, 3, 4, 1, 2, 3, 4]
    assert tile(rows, ((0, 2),), 2).tolist() == [1, 2, 1, 2, 3, 4, 3, 4]
    fused = nn.Linear(4, 6).double()
    x = torch.randn(3, 4, dtype=torch.float64)
    q, k, v = fused(x).chunk(3, 1)
    student, wide = pair(fused, Widths(out=3), copies=2)
    torch.testing.assert_close(student(x), torch.cat([q, k, v], 1))
    torch.testing.assert_close(wide(torch.cat([x, x], 1)), torch.cat([q, q, k, k, v, v], 1))


def test_tied_weights_are_stored_once():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    wide = copy.deepcopy(model)
    widen_modules(wide, {}, copies=2)
    known = {}
    for path, spreads in plan(model, {}).items():
        share_layer(
            model.get_submodule(path),
            wide.get_submodule(path),
            spreads,
            copies=2,
            noise=0.0,
            known=known,
        )
    assert len([*model.parameters()]) == len([*wide.parameters()]) == 3
    assert torch.equal(model[0].weight, model[1].weight)


def test_ends_are_widened_on_one_side():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(), nn.Linear(4, 5))
    found = widths(model, first=("0",), last=("2",))
    assert found == {"0": Widths(into=0), "2": Widths(out=0)}
    assert [each.axes for each in plan(model, found)["2"].values()] == [((1, 1),), ()]
