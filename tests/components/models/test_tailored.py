"""A tailored coordinate system: taps, start, lending, settings."""

from __future__ import annotations

import copy

import pytest
import torch

from graphkd.component import Network, Site, Socket, find
from graphkd.components.models import Tailored
from graphkd.components.transforms import Coordinates
from graphkd.errors import ComponentError
from tests.components.models.tailored_parts import (
    WIDTH,
    axes_of,
    embeddings,
    learn,
    student_of,
    tailor,
    vectors,
)


def test_registered_and_a_network():
    assert find("model", "tailored") is Tailored
    assert Tailored.learns and Tailored.delivered and Tailored.advances
    network = tailor()
    assert isinstance(network, Network)
    assert network.taps() == ("logits", "aligned", "coordinates")
    assert [network.layout(tap) for tap in (*network.taps(), "stage1")] == [
        *("b c", "b d", "b d"),
        None,
    ]


def test_taps_are_the_formulas_in_float64():
    network, embedding = tailor(), embeddings()
    axes = network._axes.module
    network.mask.mask[3] = False
    network.mask.gate.uniform_(0.5, 2.0)
    network.shift.normal_()
    matrix, shift = network.matrix.double(), network.shift.double()
    # the smaller of 12 and 16 entries share the distance
    kappa = axes.scale.double() / 12**0.5
    aligned = axes.mean.double() + kappa * (embedding.double() @ matrix.T + shift)
    coordinates = (aligned - axes.mean.double()) @ axes.basis.double()
    gate = network.mask.gate.double() * network.mask.mask
    layer = network.classifier.double()
    logits = (gate * coordinates) @ layer.weight.T + layer.bias
    layer.float()
    got = network.reader(("aligned", "coordinates", "logits"))(embedding)
    for ours, expected in zip(got, (aligned, coordinates, logits), strict=True):
        torch.testing.assert_close(ours.double(), expected, atol=1e-4, rtol=1e-5)
    assert torch.equal(network(embedding), got[2])
    torch.testing.assert_close(axes(got[0]), got[1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("width", [6, 12, 40])
def test_starts_at_the_scale_of_the_axes(width):
    axes = axes_of(vectors())
    site = student_of("headed", args={"width": width})
    network = tailor(axes, student=site, width=width)
    (aligned,) = network.reader(("aligned",))(embeddings(2000, width))
    distance = (aligned - axes.mean).square().sum(dim=1).mean().sqrt()
    # the mean of 2000 squared distances of at least 6 entries: 2 % at three deviations
    assert distance.item() == pytest.approx(axes.scale.item(), rel=0.03)
    inner = network.matrix @ network.matrix.T if width > 12 else network.matrix.T @ network.matrix
    torch.testing.assert_close(inner, torch.eye(len(inner)), atol=1e-5, rtol=0)


def test_borrowed_modules_belong_to_their_nodes():
    network = tailor()
    assert {name for name, _ in network.named_parameters()} == {
        *("matrix", "shift", "mask.gate", "classifier.weight", "classifier.bias")
    }
    assert {name for name, _ in network.named_buffers()} == {"mask.mask", "mask.importance"}
    twin = copy.deepcopy(network)
    assert twin._axes.module is network._axes.module
    assert twin._student.module is network._student.module


def test_identity_adds_a_shift_only():
    network = tailor(axes_of(vectors(width=WIDTH)), align="identity")
    (aligned,) = network.reader(("aligned",))(embeddings())
    torch.testing.assert_close(aligned, embeddings(), atol=1e-6, rtol=1e-6)
    assert network.matrix is None


def test_orthogonal_alignment_stays_as_it_starts():
    network = tailor(align="orthogonal")
    before = network.matrix.clone()
    assert not network.matrix.requires_grad
    learn(network, embeddings(), torch.arange(8) % 4)
    assert torch.equal(network.matrix, before)


def test_axes_and_widths_that_do_not_fit():
    with pytest.raises(ComponentError) as error:
        tailor(torch.nn.Identity())
    assert (str(error.value), error.value.field) == (
        *("'axes' is no coordinates; write one's name", "axes"),
    )
    with pytest.raises(ComponentError) as error:
        tailor(align="identity")
    assert (str(error.value), error.value.field) == (
        "align is identity, but 'student.embedding' has width 16 and 'axes' 12; "
        "write learnt or orthogonal",
        "align",
    )


def test_rounds_must_fit_into_the_phase():
    with pytest.raises(ComponentError) as error:
        Tailored(student="student.embedding", axes="axes", rounds=20)
    assert (str(error.value), error.value.field) == (
        "round 20 is due at 1.1 of the phase's steps, which is after their end; "
        "write at most 0.045",
        "every",
    )
    Tailored(student="student.embedding", axes="axes", rounds=18)


@pytest.mark.parametrize(
    "settings", [{"keep": 0}, {"rounds": 0}, {"warmup": -0.1}, {"every": 0.0}, {"warmup": 1.1}]
)
def test_settings_out_of_range(settings):
    with pytest.raises(ValueError):
        Tailored(student="student.embedding", axes="axes", **settings)


def test_meta_device_knows_the_shapes():
    with torch.device("meta"):
        axes = Coordinates(directions=5).build(
            Site(inputs={"input": (Socket("b d", (2, 12)),)}),
        )
        network = tailor(axes)
        out = network.reader(network.taps())(torch.empty(3, WIDTH))
    assert [tuple(each.shape) for each in out] == [(3, 4), (3, 12), (3, 5)]
    assert all(each.is_meta for each in out)
