"""What is handed back; the numbered invariants are those of a tailored coordinate system."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from torch.nn import functional as F

from graphkd.component import Site, Socket
from graphkd.components.models import Tailored
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


@pytest.mark.parametrize("align", ["learnt", "orthogonal", "identity"])
@pytest.mark.parametrize("whiten", [False, True])
def test_invariant_5_one_linear_layer_does_the_same(align, whiten):
    axes = axes_of(vectors(width=WIDTH), whiten=whiten, keep=0.999)
    network = tailor(axes, align=align)
    learn(network, embeddings(), torch.arange(8) % 4)
    weight, bias = network.folded()
    got = F.linear(embeddings(), weight.float(), bias.float())
    torch.testing.assert_close(got, network(embeddings()), atol=1e-5, rtol=1e-5)


def test_invariant_5_dropping_a_coordinate_is_a_classifier_without_its_row():
    network, twin = tailor(), tailor()
    network.mask.mask[[0, 5]] = False
    twin.classifier.weight[:, [0, 5]] = 0
    torch.testing.assert_close(network(embeddings()), twin(embeddings()))
    assert not torch.equal(network(embeddings()), tailor()(embeddings()))


@pytest.mark.parametrize(
    ("model", "pixels", "path"),
    [
        ("timm/test_resnet", 32, "fc"),
        ("timm/test_vit", 32, "head"),
        ("timm/test_convnext", 32, "head.fc"),
        ("timm/test_efficientnet", 32, "classifier"),
        ("torchvision/resnet18", 32, "fc"),
        ("tiny", 8, "fc"),
    ],
)
def test_delivered_student_loads_in_its_library_and_computes_the_same(model, pixels, path):
    student = student_of(model, pixels=pixels)
    assert student.classifier() == path
    image = torch.rand(2, 3, pixels, pixels)
    student.eval()
    (embedding,) = student.reader(("embedding",))(image)
    before = copy.deepcopy(student.deliverable().state_dict())
    network = tailor(student=student, width=embedding.shape[1])
    learn(network, embedding, torch.tensor([0, 1]))
    plain = network.deliverable().eval()
    if model.startswith("timm/"):
        passport = network.passport()
        again = timm.create_model(passport["model"], **passport["args"]).eval()
        again.load_state_dict(plain.state_dict(), strict=True)
        plain = again
    torch.testing.assert_close(plain(image), network(embedding), atol=1e-5, rtol=1e-5)
    # the student's own classifier is as it was
    after = student.deliverable().state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    ("tap", "model", "args", "message"),
    [
        (
            "student.stage3",
            "tiny",
            {},
            "'student.stage3' is not what the classifier reads; write student.embedding",
        ),
        (
            "student.embedding",
            "headed",
            {"width": WIDTH, "bias": False},
            "nothing can be folded into the classifier of 'student': the linear layer of its "
            "logits, 'head', has no bias; write another student",
        ),
        (
            "student.embedding",
            "headed",
            {"width": WIDTH, "scale": 2.0},
            "nothing can be folded into the classifier of 'student': its logits are not what "
            "'head' makes of its embedding; write another student",
        ),
        (
            "student.embedding",
            "headed",
            {"width": 5},
            "nothing can be folded into the classifier of 'student': 'head' reads width 5, not "
            "16; write another student",
        ),
        (
            "student.embedding",
            "timm/deit_tiny_distilled_patch16_224",
            {"depth": 1},
            "nothing can be folded into the classifier of 'student': its logits are not one "
            "linear layer on its embedding; write another student",
        ),
    ],
)
def test_students_that_cannot_carry_it(tap, model, args, message):
    student = student_of(model, pixels=16, args=args)
    site = Site(
        inputs={"student": (Socket("b d", (2, WIDTH)),)},
        modules={"student": student, "axes": axes_of(vectors())},
    )
    with pytest.raises(ComponentError) as error:
        Tailored(student=tap, axes="axes").build(site)
    assert (str(error.value), error.value.field) == (message, "student")
