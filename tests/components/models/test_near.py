"""A student that starts between random weights and its teacher's."""

import pytest
import torch
from torch import nn

from graphkd.component import Network, find, reference_fields
from graphkd.components.models import Near, Teacher
from graphkd.components.models.near_network import between
from graphkd.errors import ComponentError

VIT = {"model": "timm/test_vit", "args": {"patch_size": 8, "depth": 2, "num_heads": 2}}
CNN = {"model": "timm/test_resnet", "args": {"channels": [4, 8, 8, 8], "stem_width": 4}}


def pair(site_of, share, kind, *, seed=1):
    """Build a teacher with moved statistics, and a student that starts near it."""
    torch.manual_seed(0)
    teacher = Teacher(**kind).build(site_of())
    teacher.train()
    for _ in range(3):
        teacher(3 * torch.randn(8, 3, 32, 32) + 1)
    teacher.eval()
    torch.manual_seed(seed)
    near = Near(**kind, of="teacher", share=share).build(site_of(modules={"of": teacher}))
    return teacher, near.eval()


def states(network):
    return {key: value.clone() for key, value in network.deliverable().state_dict().items()}


def logits(network, image):
    return network.reader(("logits",))(image)[0]


def test_registered_as_a_student_that_a_phase_fits():
    assert find("model", "near") is Near
    assert (Near.learns, Near.delivered, Near.fits) == (True, True, True)
    assert reference_fields(Near) == ("of",)


def test_is_a_network_with_the_parameters_of_one(site_of):
    teacher, near = pair(site_of, 0.5, CNN)
    assert isinstance(near, Network)
    own, other = (sum(p.numel() for p in each.parameters()) for each in (near, teacher))
    assert own == other
    assert near.taps() == teacher.taps()
    assert near.passport() == teacher.passport()
    assert near.layout("stage2") == teacher.layout("stage2")
    found = near.reader(("stage2", "logits"))(torch.randn(2, 3, 32, 32))
    assert [each.shape[0] for each in found] == [2, 2]


def test_invariant_6_at_share_1_it_is_the_teacher_at_0_the_random_net(site_of):
    """No batch norm here, so that the fit changes nothing but the start."""
    image = torch.randn(5, 3, 32, 32)
    for share in (0.0, 1.0):
        teacher, near = pair(site_of, share, VIT)
        random = logits(near, image)
        near.begin()
        near.update(image)
        near.finish()
        expected = logits(teacher, image) if share else random
        assert torch.equal(logits(near, image), expected)
        assert not torch.equal(logits(teacher, image), random)


def test_the_mixture_in_float64(site_of):
    teacher, near = pair(site_of, 0.375, CNN)
    own, other = states(near), states(teacher)
    mixed = between(own, other, 0.375)
    assert mixed.keys() == own.keys()
    for key, value in mixed.items():
        if key.endswith("num_batches_tracked"):
            assert (int(value), int(own[key])) == (3, 0)
        else:
            expected = 0.375 * other[key].double() + 0.625 * own[key].double()
            torch.testing.assert_close(value, expected.float())
    near.begin()
    moved = states(near)
    for key, _ in near.deliverable().named_parameters():
        assert torch.equal(moved[key], mixed[key])


def test_the_fit_measures_running_statistics_anew_as_an_average_over_batches(site_of):
    _, near = pair(site_of, 0.5, CNN)
    batches = [torch.randn(6, 3, 32, 32) + number for number in range(4)]
    near.begin()
    model = near.deliverable()
    before = {key: value.clone() for key, value in model.named_parameters()}
    name, first = next(
        (name, each) for name, each in model.named_modules() if isinstance(each, nn.BatchNorm2d)
    )
    assert first.running_mean.eq(0).all(), name
    seen = []
    hook = first.register_forward_pre_hook(lambda _, given: seen.append(given[0].double()))
    for batch in batches:
        near.update(batch)
    near.finish()
    hook.remove()
    means = torch.stack([each.mean((0, 2, 3)) for each in seen])
    variances = torch.stack([each.var((0, 2, 3), unbiased=True) for each in seen])
    torch.testing.assert_close(first.running_mean.double(), means.mean(0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(first.running_var.double(), variances.mean(0), rtol=1e-4, atol=1e-5)
    assert first.momentum == 0.1
    assert not near.training
    assert all(torch.equal(value, before[key]) for key, value in model.named_parameters())


def test_the_teacher_stays_as_it_is(site_of):
    teacher, near = pair(site_of, 0.5, CNN)
    before = states(teacher)
    near.begin()
    near.update(torch.randn(4, 3, 32, 32))
    near.finish()
    after = states(teacher)
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert not teacher.training


def test_a_fit_that_begins_again_comes_to_the_same_start(site_of):
    _, near = pair(site_of, 0.25, CNN)
    image = torch.randn(4, 3, 32, 32)
    near.begin()
    near.update(5 * image)
    near.begin()
    near.update(image)
    near.finish()
    once = pair(site_of, 0.25, CNN)[1]
    once.begin()
    once.update(image)
    once.finish()
    one, other = states(near), states(once)
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_one_image_alone_has_no_variance_and_is_left_out(site_of):
    _, near = pair(site_of, 0.5, CNN)
    near.begin()
    near.update(torch.randn(1, 3, 32, 32))
    assert next(near._norms()).num_batches_tracked == 0


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (
            {"model": "timm/test_resnet", "args": {"channels": [4, 8, 8, 16], "stem_width": 4}},
            "its 'layer4.0.conv1.weight' is 16 x 32 x 3 x 3, here 8 x 32 x 3 x 3",
        ),
        (VIT, "it has no 'conv1.0.weight'"),
    ],
)
def test_another_architecture_is_refused(site_of, other, said):
    teacher = Teacher(**other).build(site_of())
    with pytest.raises(ComponentError) as error:
        Near(**CNN, of="teacher").build(site_of(modules={"of": teacher}))
    expected = f"'teacher' is no network of the same architecture: {said}"
    assert str(error.value) == f"{expected}; write its model and args here"
    assert error.value.field == "of"


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_share_is_from_0_to_1(share):
    with pytest.raises(ValueError, match="'share' must be"):
        Near(**CNN, of="teacher", share=share)
