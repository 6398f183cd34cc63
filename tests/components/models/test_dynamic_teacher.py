"""The dynamic teacher at its start: the student's function, and nothing else."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from torch import nn

from graphkd import register_model
from graphkd.component import ImageSpec, Network, Site
from graphkd.components.models import DynamicTeacher, Student
from graphkd.errors import ComponentError

VIT = {"depth": 2, "embed_dim": 24, "num_heads": 3}
SWIN = {
    **{"depths": (2, 1), "num_heads": (2, 4), "embed_dim": 16},
    **{"window_size": 4, "img_size": 32},
}
STUDENTS = {
    "resnet_basic": ("timm/test_resnet", {}),
    "resnet_bottleneck": ("timm/resnet26", {"layers": (1, 1, 1, 1), "channels": (8, 8, 16, 16)}),
    "resnext_grouped": (
        "timm/resnext50_32x4d",
        {"layers": (1, 1, 1, 1), "cardinality": 4, "channels": (16, 16, 32, 32)},
    ),
    "mobilenetv1": ("timm/mobilenetv1_100", {}),
    "mobilenetv2": ("timm/mobilenetv2_035", {}),
    "mobilenetv3": ("timm/mobilenetv3_small_050", {}),
    "efficientnet": ("timm/test_efficientnet", {}),
    "convnext": ("timm/test_convnext", {}),
    "convnextv2": ("timm/convnextv2_atto", {"depths": (1, 1, 1, 1), "dims": (8, 8, 16, 16)}),
    "vit": ("timm/test_vit", {"depth": 2}),
    "vit_no_class_token": (
        "timm/test_vit",
        {"class_token": False, "global_pool": "avg", "depth": 2},
    ),
    "vit_registers": (
        "timm/test_vit",
        {"reg_tokens": 2, "qk_norm": True, "init_values": 0.5, "depth": 2},
    ),
    # with one head some tensors are views that are copies of memory with more heads
    "vit_one_head": ("timm/test_vit", {"num_heads": 1, "depth": 1}),
    "deit_distilled": ("timm/deit_tiny_distilled_patch16_224", VIT),
    "swin": ("timm/swin_tiny_patch4_window7_224", SWIN),
    "torchvision_mobilenet": ("torchvision/mobilenet_v2", {"width_mult": 0.25}),
    "torchvision_vit": ("registered_vit", {}),
    "plain": ("small_prelu", {}),
    "small_densenet": ("timm/densenet121", {"block_config": (2,), "growth_rate": 4}),
}


class SmallPReLU(nn.Sequential):
    def __init__(self, num_classes, in_chans):
        super().__init__(
            *(nn.Conv2d(in_chans, 6, 3, padding=1), nn.PReLU(6), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 6, 3, groups=3), nn.GroupNorm(2, 6), nn.PReLU()),
            *(nn.Conv2d(6, 8, 1, bias=False), nn.BatchNorm2d(8), nn.GELU()),
            *(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8 * 49, 12), nn.Sigmoid()),
            nn.Linear(12, num_classes),
        )


@pytest.fixture(autouse=True, scope="module")
def registered_models():
    from torchvision.models import VisionTransformer

    def vit(num_classes, in_chans):
        return VisionTransformer(32, 8, 2, 3, 24, 48, num_classes=num_classes)

    register_model("small_prelu")(SmallPReLU)
    register_model("registered_vit")(vit)


def site(pixels=32, **changes):
    image = ImageSpec(3, pixels, pixels, (0.5,) * 3, (0.25,) * 3)
    return Site(image=image, classes=10, **changes)


def randomize(model):
    """Move every tensor off its initial value, zeros and ones above all."""
    for name, each in [*model.named_parameters(), *model.named_buffers()]:
        if each.is_floating_point() and each.ndim:
            each += 0.1 * torch.rand_like(each) * (1 if name.endswith("var") else 2)
            each -= 0.0 if name.endswith("var") else 0.1


def build_student(key, pixels=32):
    model, args = STUDENTS.get(key, (key, {}))
    student = Student(model=model, args=args).build(site(pixels))
    randomize(student.model)
    return student.eval()


def widen(student, **settings):
    return DynamicTeacher(of="student", **settings).build(site(modules={"of": student}))


def relative(one, two):
    return float((one - two).abs().max() / two.abs().max())


@pytest.mark.parametrize(
    ("key", "expand"),
    [(key, 2) for key in STUDENTS if not key.startswith("small")]
    + [("resnet_basic", 3), ("mobilenetv2", 4), ("vit", 3), ("vit", 4), ("plain", 3), ("plain", 4)],
)
def test_invariants_1_and_3_the_dynamic_teacher_starts_as_its_student(key, expand):
    student = build_student(key)
    plain = copy.deepcopy(student.deliverable())
    image = torch.randn(2, 3, 32, 32)
    expected = plain(image)
    wide = widen(student, expand=expand, noise=0.0)
    assert relative(wide(image), expected) < 1e-5
    assert_equal_models(student.deliverable(), plain, exact=expand != 3)


@pytest.mark.parametrize("key", ["resnet_basic", "efficientnet", "vit"])
def test_invariant_2_with_noise_it_starts_nearly_as_its_student(key):
    student = build_student(key)
    plain = copy.deepcopy(student.deliverable())
    image = torch.randn(2, 3, 32, 32)
    wide = widen(student)
    assert 0 < relative(wide(image), student(image)) < 1e-3
    assert 0 < relative(student(image), plain(image)) < 1e-3


def assert_equal_models(back, plain, *, exact):
    state, expected = back.state_dict(), plain.state_dict()
    assert list(state) == list(expected)
    for name, each in expected.items():
        # a third, three times, is off by one rounding
        torch.testing.assert_close(state[name], each, rtol=0 if exact else 1.2e-7, atol=0)
    assert [type(each) for each in back.modules()] == [type(each) for each in plain.modules()]
    assert list(dict(back.named_parameters())) == list(dict(plain.named_parameters()))


@pytest.mark.parametrize(
    ("key", "expand"), [("resnet_basic", 2), ("plain", 3), ("plain", 4), ("efficientnet", 2)]
)
def test_invariant_1_six_branches_in_fine_tune_mode_leave_the_plain_student(key, expand):
    student = build_student(key)
    image = torch.randn(2, 3, 32, 32)
    expected = student(image)
    wide = widen(student, expand=expand, branches=6, noise=0.0, fine_tune=True)
    assert relative(student(image), expected) < 1e-5
    assert relative(wide(image), expected) < 1e-5


@pytest.mark.parametrize("branches", [2, 3, 4, 5, 6])
def test_branches_from_scratch_keep_the_two_equal(branches):
    student = build_student("plain")
    image = torch.randn(2, 3, 32, 32)
    before = student(image)
    wide = widen(student, branches=branches, noise=0.0)
    assert relative(wide(image), student(image)) < 1e-5
    assert relative(student(image), before) > 1e-2


def test_invariant_3_any_ratio_is_exact_up_to_its_scaling():
    student = build_student("resnet_basic")
    weight = student.model.layer1[0].conv1.weight.clone()
    wide = widen(student, expand=3, noise=0.0)
    for rows in wide.model.layer1[0].conv1.weight.chunk(3):
        for block in rows.chunk(3, 1):
            assert torch.equal(block, weight / 3)


def test_the_wide_models_taps_are_copies_of_the_students():
    student = build_student("vit")
    wide = widen(student, expand=3, noise=0.0)
    assert isinstance(wide, Network)
    assert type(wide) is type(student)
    assert (wide.taps(), wide.image) == (student.taps(), student.image)
    assert wide.passport()["library"] == "widened"
    taps = ("stage1", "stage4", "tokens", "embedding", "block2")
    image = torch.randn(2, 3, 32, 32)
    for one, two in zip(student.reader(taps)(image), wide.reader(taps)(image), strict=True):
        torch.testing.assert_close(two, torch.cat([one] * 3, -1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("model", "args", "expand", "plain", "expected"),
    [
        ("timm/resnet18", {}, 2, 11_689_512, 45_693_032),
        ("timm/resnet18", {}, 3, 11_689_512, 102_011_560),
        ("timm/mobilenetv1_100", {}, 2, 4_231_976, 14_742_120),
    ],
)
def test_invariant_8_published_numbers_of_parameters(model, args, expand, plain, expected):
    image = ImageSpec(3, 224, 224, (0.5,) * 3, (0.25,) * 3)
    with torch.device("meta"):
        student = Student(model=model, args=args).build(Site(image=image, classes=1000))
        assert count(student) == plain
        where = Site(image=image, classes=1000, modules={"of": student}, load_weights=False)
        wide = DynamicTeacher(of="student", expand=expand).build(where)
    assert all(each.is_meta for each in wide.parameters())
    assert count(wide) == expected
    # the student has no parameter of its own
    assert {*student.parameters()} == {*wide.parameters()}
    assert count(student.deliverable()) == plain


@pytest.mark.parametrize("key", ["resnet_bottleneck", "mobilenetv2"])
def test_invariant_8_every_layer_grows_by_its_kind(key):
    student = build_student(key)
    plain = copy.deepcopy(student.deliverable())
    ends = {"conv1.weight", "conv_stem.weight", "fc.weight", "classifier.weight"}
    inner = once = 0
    for name, each in plain.named_parameters():
        depthwise = each.ndim == 4 and each.shape[1] == 1
        inner += each.numel() if each.ndim > 1 and not depthwise and name not in ends else 0
        once += each.numel() if name in ("fc.bias", "classifier.bias") else 0
    rest = count(plain) - inner - once
    assert count(widen(student, expand=3)) == 9 * inner + 3 * rest + once


def count(model):
    return sum(each.numel() for each in model.parameters())


def test_every_parameter_of_both_is_one_object():
    student = build_student("vit_registers")
    student.model.norm.weight.requires_grad_(False)
    wide = widen(student)
    own, others = list(student.parameters()), list(wide.parameters())
    assert len(own) == len(others)
    assert {*own} == {*others}
    assert {each.data_ptr() for each in own} == {each.data_ptr() for each in others}
    assert [each.requires_grad for each in wide.model.norm.parameters()] == [False, True]


def test_stored_tensors_are_those_of_the_official_code():
    # (stored P, the wide model's value) of each kind, in terms of the student's W; r = 2
    student = build_student("plain")
    plain = copy.deepcopy(student.model)
    wide = widen(student, noise=0.0).model
    own = student.model
    kinds = {
        (0, "weight"): (0.5, 1.0),
        (0, "bias"): (0.5, 1.0),
        (1, "weight"): (1.0, 1.0),
        (3, "weight"): (1.0, 1.0),
        (3, "bias"): (1.0, 1.0),
        (4, "weight"): (1.0, 1.0),
        (6, "weight"): (0.5, 0.5),
        (7, "bias"): (1.0, 1.0),
        (11, "weight"): (0.5, 0.5),
        (11, "bias"): (0.5, 1.0),
        (13, "weight"): (1.0, 0.5),
        (13, "bias"): (1.0, 1.0),
    }
    for (index, name), (stored, computed) in kinds.items():
        block = tuple(slice(size) for size in getattr(plain[index], name).shape)
        weight = getattr(plain[index], name)
        shared = own[index].parametrizations[name].original
        assert torch.equal(shared[block], stored * weight)
        assert torch.equal(getattr(wide[index], name)[block], computed * weight)


def test_noise_is_independent_in_every_copy_and_leaves_the_rest():
    student = build_student("plain")
    before = copy.deepcopy(student.model)
    wide = widen(student, noise=1e-3).model
    first, second = wide[6].weight.chunk(2)
    assert 0.8e-3 < float((first - second).std() / 2**0.5) < 1.2e-3
    assert float((first.chunk(2, 1)[0] - first.chunk(2, 1)[1]).abs().min()) > 0
    # nothing repeats these
    assert torch.equal(wide[5].weight, before[5].weight)
    assert torch.equal(wide[13].bias, before[13].bias)


def test_first_and_last_layers_are_found_or_named():
    student = build_student("torchvision_mobilenet")
    wide = widen(copy.deepcopy(student)).model
    assert wide.features[0][0].weight.shape == (16, 3, 3, 3)
    assert wide.classifier[1].weight.shape == (10, 2560)
    named = widen(student, first=("features.0.0",), last=("classifier.1",)).model
    assert [each.shape for each in named.parameters()] == [each.shape for each in wide.parameters()]


def refusal(key, *, pixels=32, **settings):
    student = build_student(key, pixels)
    before = {name: each.clone() for name, each in student.state_dict().items()}
    with pytest.raises(ComponentError) as caught:
        widen(student, **settings)
    # the student is as it was
    assert list(student.state_dict()) == list(before)
    assert all(torch.equal(each, before[name]) for name, each in student.state_dict().items())
    return caught.value


ADVICE = (
    "; a dynamic teacher needs a student of convolutions, linear layers, norms and attention whose "
    "channels stay in order, as timm/resnet18, timm/mobilenetv2_100, timm/convnext_atto or "
    "timm/vit_tiny_patch16_224"
)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (
            "small_densenet",
            "layer 'features.denseblock1.denselayer2' (DenseLayer) cannot be widened: it joins "
            "the channels of several tensors",
        ),
        (
            "torchvision/shufflenet_v2_x0_5",
            "layer 'stage2.1' (InvertedResidual) cannot be widened: it cuts its channels apart",
        ),
        (
            "timm/mixer_s32_224",
            "layer 'blocks.0.mlp_tokens.fc1' (Linear) cannot be widened: the axis that it sums "
            "over is not one of widened channels",
        ),
        (
            "timm/resmlp_12_224",
            "layer 'blocks.0.norm1' (Affine) cannot be widened: no rule for its parameter 'alpha'",
        ),
        (
            "timm/test_nfnet",
            "layer 'stem.conv1' (ScaledStdConv2d) cannot be widened: no rule for its parameter "
            "'gain'",
        ),
        (
            "torchvision/squeezenet1_1",
            "layer 'features.4.squeeze' (Conv2d) cannot be widened: its input's channels are not "
            "copies in the order that its weight expects",
        ),
    ],
)
def test_students_that_mix_channels_are_refused(key, message):
    error = refusal(key)
    assert str(error) == message + ADVICE
    assert error.field == "of"


class Odd(nn.Module):
    """A network with one unusual step between its layers."""

    def __init__(self, num_classes, in_chans, step="none"):
        super().__init__()
        self.stem = nn.Conv2d(in_chans, 8, 3, padding=1)
        self.body = nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(8, num_classes)
        self.step = step

    def forward(self, image):
        x = self.body(self.odd(self.stem(image)))
        return self.head(x.mean((2, 3)))

    def odd(self, x):
        match self.step:
            case "shuffle":
                return x.unflatten(1, (2, 4)).transpose(1, 2).flatten(1, 2)
            case "softmax":
                return x.softmax(1)
            case "normalize":
                return nn.functional.normalize(x, dim=1)
            case "flip":
                return x.flip(1)
            case "width":
                return x / x.shape[1]
            case "sum":
                return x + x.sum(1, keepdim=True)
            case "slice":
                return torch.cat([x[:, 4:], x[:, :4]], 1)
            case "constant":
                return x + torch.ones(8, 1, 1).to(x)
            case "mean":
                return x + x.mean(1, keepdim=True)
            case "stack":
                return torch.stack([x, 2 * x], 1).mean(1)
            case "standardize":
                weight = self.body.weight - self.body.weight.mean((1, 2, 3), keepdim=True)
                return nn.functional.conv2d(x, weight)
            case "rows":
                return torch.cat([row.unsqueeze(2) for row in x.unbind(2)], 2)
        return x


@pytest.mark.parametrize(
    "step",
    ["shuffle", "softmax", "normalize", "flip", "width", "sum", "slice", "constant", "standardize"],
)
def test_steps_that_tear_copies_apart_are_refused(step):
    register_model(f"odd_{step}")(partial(Odd, step=step))
    error = refusal(f"odd_{step}")
    assert str(error).startswith("the model (Odd) cannot be widened: ")


@pytest.mark.parametrize("step", ["none", "mean", "rows", "stack"])
def test_steps_that_keep_copies_together_are_exact(step):
    register_model(f"odd_{step}")(partial(Odd, step=step))
    student = build_student(f"odd_{step}")
    image = torch.randn(2, 3, 32, 32)
    expected = student(image)
    assert relative(widen(student, expand=3, noise=0.0)(image), expected) < 1e-5


def test_refusals_need_no_weights():
    with torch.device("meta"):
        student = Student(model="timm/densenet121").build(site())
        where = site(modules={"of": student}, load_weights=False)
        with pytest.raises(ComponentError, match="it joins the channels of several tensors"):
            DynamicTeacher(of="student").build(where)


def test_layers_that_do_not_exist_are_named():
    error = refusal("vit", first=("patch_embed.conv",))
    assert str(error) == (
        "the student has no convolution or linear layer 'patch_embed.conv'; "
        "did you mean 'patch_embed.proj'?"
    )
    assert error.field == "first"
    assert refusal("resnet_basic", last=("head",)).field == "last"


def test_a_wrong_last_layer_is_found():
    error = refusal("resnet_basic", last=("layer4.0.conv1",))
    assert "cannot be widened" in str(error)


def test_a_student_has_one_dynamic_teacher():
    student = build_student("vit")
    widen(student)
    with pytest.raises(ComponentError) as caught:
        widen(student)
    assert str(caught.value) == (
        "the weights of the student are shared with another model already; "
        "give each dynamic teacher a student of its own"
    )


def test_parametrized_layers_are_refused():
    student = build_student("plain")
    nn.utils.parametrizations.weight_norm(student.model[6])
    with pytest.raises(ComponentError) as caught:
        widen(student)
    text = "layer '6' (Conv2d) cannot be widened: its tensors are parametrized"
    assert str(caught.value) == text + ADVICE


def test_noise_that_drowns_the_student_is_refused():
    student = build_student("vit")
    with pytest.raises(ComponentError) as caught:
        widen(student, noise=0.3)
    assert str(caught.value) == (
        "the dynamic teacher does not start from its student's function: they differ first at "
        "layer 'patch_embed.proj'; write a smaller noise than 0.3, or use another student"
    )
    assert caught.value.field == "noise"


@pytest.mark.parametrize(
    "settings", [{"expand": 1}, {"branches": 0}, {"branches": 7}, {"noise": -1e-6}]
)
def test_settings_have_limits(settings):
    with pytest.raises(ValueError, match="must be"):
        DynamicTeacher(of="student", **settings)
