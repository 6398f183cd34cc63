"""The exit branch, and what OFA-KD as a whole satisfies.

The invariants 1 to 3 are about the loss alone: tests/kernels/test_ofa.py.
"""

from typing import Any

import pytest
import timm
import torch
from timm.models.swin_transformer import PatchMerging
from torch import nn

from graphkd.blueprint import load, loads
from graphkd.compile import compile_blueprint
from graphkd.component import ImageSpec, Site, Socket, find
from graphkd.components.losses import OFA
from graphkd.components.models import Student
from graphkd.components.projectors import ExitBranch
from graphkd.errors import BlueprintError, ComponentError
from graphkd.graph import vertex
from tests.run.small import batch_of, begin, stepper

STAGES = (1, 2, 3, 4)
SWIN = "swin_tiny_patch4_window7_224"
SMALL_SWIN = {"depths": [2, 2, 2, 2], "num_heads": [2, 4, 8, 16]}
Case = tuple[str, dict[str, Any], int | None]
CONVOLUTIONS: list[Case] = [("resnet18", {}, 768), ("resnet34", {}, 768), ("resnet50", {}, 2048)]
CONVOLUTIONS += [("resnet101", {}, 2048), ("mobilenetv2_100", {}, 1280)]
CONVOLUTIONS += [("convnext_tiny", {}, 768), ("convnext_base", {}, 1024)]
TOKENS: list[Case] = [
    (f"{name}_patch16_224", {}, None) for name in ("vit_small", "vit_base", "deit_tiny")
]
TOKENS += [("mixer_b16_224", {}, None), ("resmlp_12_224", {}, None)]
TOKENS += [(SWIN, {}, 768), ("swin_base_patch4_window7_224", {}, 1024)]
TOKENS += [
    (SWIN, {"embed_dim": 64, **SMALL_SWIN}, 512),
    (SWIN, {"embed_dim": 48, **SMALL_SWIN}, 384),
]


def stages_of(name, args, *, classes=100):
    """The shapes of the four stages of a model that sees 224 x 224 images."""
    spec = ImageSpec(3, 224, 224, (0.0,) * 3, (1.0,) * 3)
    with torch.device("meta"):
        student = Student(f"timm/{name}", args=args)
        network = student.build(Site(image=spec, classes=classes, load_weights=False))
        stages = network.reader([f"stage{number}" for number in STAGES])
        return [tuple(each.shape) for each in stages(torch.empty(2, 3, 224, 224))]


def on_meta(site, shape, classes=100, **settings):
    with torch.device("meta"):
        return ExitBranch(**settings).build(site(shape, (2, classes)))


def count(site, shape, classes=100, **settings):
    branch = on_meta(site, shape, classes, **settings)
    return sum(parameter.numel() for parameter in branch.parameters())


def test_registered():
    assert find("projector", "exit_branch") is ExitBranch


# invariant 4: shapes and parameter counts


@pytest.mark.parametrize(("name", "args", "width"), [*CONVOLUTIONS, *TOKENS])
def test_invariant_4_every_branch_gives_logits(site, name, args, width):
    blocks = "transformer" if (name, args, width) in TOKENS else None
    for stage, shape in zip(STAGES, stages_of(name, args), strict=True):
        at_once = blocks if len(shape) == 4 else None
        branch = on_meta(site, shape, stage=stage, width=width, blocks=at_once)
        assert branch(torch.empty(shape, device="meta")).shape == (2, 100)


def test_invariant_4_stages_are_those_of_the_paper():
    assert stages_of("resnet18", {}) == [
        (2, 64, 56, 56),
        (2, 128, 28, 28),
        (2, 256, 14, 14),
        (2, 512, 7, 7),
    ]
    mobile = [shape[1:3] for shape in stages_of("mobilenetv2_100", {})]
    assert mobile == [(24, 56), (32, 28), (96, 14), (1280, 7)]
    swin = [shape[1:3] for shape in stages_of(SWIN, {"embed_dim": 48, **SMALL_SWIN})]
    assert swin == [(48, 56), (96, 28), (192, 14), (384, 7)]


def test_invariant_4_parameters_of_resnet18_beside_a_teacher_of_768(site):
    found = [
        count(site, shape, stage=stage, width=768)
        for stage, shape in zip(STAGES, stages_of("resnet18", {}), strict=True)
    ]
    assert found == [411_748, 397_924, 345_700, 470_884]
    assert sum(found) == 1_626_256


@pytest.mark.parametrize(
    ("classes", "width", "total"),
    # a teacher of 192 leaves the student's 512
    [(1000, 768, 4_394_656), (100, max(512, 192), 1_194_384)],
)
def test_invariant_4_parameters_of_resnet18_in_total(site, classes, width, total):
    shapes = stages_of("resnet18", {})
    found = [
        count(site, shape, classes, stage=stage, width=width)
        for stage, shape in zip(STAGES, shapes, strict=True)
    ]
    assert sum(found) == total


@pytest.mark.parametrize("prefix", [0, 1])
def test_invariant_4_parameters_of_deit_tiny(site, prefix):
    shape = (2, 196 + prefix, 192)
    found = [count(site, shape, stage=stage, prefix=prefix) for stage in STAGES]
    assert found == [1_501_156, 1_056_868, 612_580, 612_580]


def test_invariant_4_parameters_of_swin_pico(site):
    shapes = stages_of(SWIN, {"embed_dim": 48, **SMALL_SWIN})
    found = [
        count(site, shape, stage=stage, width=384, blocks="transformer")
        for stage, shape in zip(STAGES, shapes, strict=True)
    ]
    assert found == [6_618_340, 4_326_244, 2_108_260, 1_811_812]


# what a branch is made of


def test_stage_4_by_hand(site):
    branch = ExitBranch(stage=4, width=1, features=1).build(site((1, 2, 1, 2)))
    weights = {"0.weight": [[[[1.0]], [[-2.0]]]], "0.bias": [0.5], "2.weight": [[3.0]]}
    weights["2.bias"] = [1.0]
    branch.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
    grid = torch.tensor([[[[1.0, 4.0]], [[3.0, 1.0]]]])
    # places -4.5 and 2.5, their mean -1; 3 (-1) + 1
    torch.testing.assert_close(branch(grid), torch.tensor([[-2.0]]))


def test_each_halving_halves_the_grid_and_doubles_the_channels_but_the_last(site):
    branch = ExitBranch(stage=1, width=20, features=3).build(site((2, 4, 16, 16)))
    shapes = []
    value = torch.randn(2, 4, 16, 16)
    for layer in branch[:3]:
        value = layer(value)
        shapes.append(tuple(value.shape))
        assert value.min() == 0
    assert shapes == [(2, 8, 8, 8), (2, 16, 4, 4), (2, 20, 2, 2)]


def test_layers_of_a_halving(site):
    halving = ExitBranch(stage=3, width=20, features=3).build(site((2, 4, 16, 16)))[0]
    layers = [each for each in halving.modules() if isinstance(each, nn.Conv2d)]
    assert [(e.kernel_size[0], e.stride[0], e.padding[0], e.groups) for e in layers] == [
        (3, 2, 1, 4),
        (1, 1, 0, 1),
        (3, 1, 1, 4),
        (1, 1, 0, 1),
    ]
    assert all(each.bias is None for each in layers)
    norms = [each for each in halving.modules() if isinstance(each, nn.BatchNorm2d)]
    assert [each.num_features for each in norms] == [4, 20]


def merging_layers(site, side):
    branch = on_meta(site, (2, 48, side, side), stage=1, width=48, blocks="transformer")
    return [type(layer) for layer in branch.mergings]


def test_the_last_of_several_mergings_has_no_activation(site):
    assert merging_layers(site, 7) == []
    assert merging_layers(site, 14) == [PatchMerging, nn.GELU]
    assert merging_layers(site, 28) == [PatchMerging, nn.GELU, PatchMerging]
    assert merging_layers(site, 56) == [*[PatchMerging, nn.GELU] * 2, PatchMerging]


@pytest.mark.parametrize(("side", "times"), [(6, 0), (13, 0), (14, 1), (26, 1), (28, 2), (48, 2)])
def test_patches_are_merged_while_the_grid_stays_at_least_7(site, side, times):
    assert merging_layers(site, side).count(PatchMerging) == times


def test_blocks_have_no_bias_in_attention_and_four_heads(site):
    branch = on_meta(site, (2, 49, 16), stage=2)
    assert len(branch.blocks) == 2
    for block in branch.blocks:
        assert block.attn.qkv.bias is None
        assert block.attn.num_heads == 4
        assert block.mlp.fc1.out_features == 64


@pytest.mark.parametrize(
    ("prefix", "expected"), [(0, 2.5), (1, 1.0), (2, 1.5)], ids=["none", "one", "two"]
)
def test_class_tokens_are_read_where_there_are_some(site, prefix, expected):
    branch = ExitBranch(stage=4, prefix=prefix, height=1, features=1).build(site((1, 4, 4)))
    branch.blocks = nn.Identity()
    with torch.no_grad():
        branch.classifier.weight.copy_(torch.tensor([[1.0, 0.0, 0.0, 0.0]]))
    tokens = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1).repeat(1, 1, 4)
    torch.testing.assert_close(branch(tokens), torch.tensor([[expected]]))


def test_class_tokens_stay_in_front_of_merged_patches(site):
    branch = ExitBranch(stage=4, prefix=1, features=3).build(site((2, 197, 8)))
    seen = []
    branch.blocks.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    tokens = torch.randn(2, 197, 8)
    branch(tokens)
    assert seen[0].shape == (2, 50, 8)
    assert torch.equal(seen[0][:, 0], tokens[:, 0])


def test_patches_are_merged_with_their_neighbours(site):
    branch = ExitBranch(stage=4, features=3).build(site((1, 196, 4)))
    seen = []
    branch.mergings[0].norm.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    # token 14 i + j holds its number
    branch(torch.arange(196.0).reshape(1, 196, 1).repeat(1, 1, 4))
    assert seen[0][0, 0, 1].unique().tolist() == [2.0, 3.0, 16.0, 17.0]


def test_a_grid_of_tokens_and_its_tokens_give_the_same(site):
    from_grid = ExitBranch(stage=1, width=8, blocks="transformer", features=3)
    grid = torch.randn(2, 8, 14, 14)
    one = from_grid.build(site((2, 8, 14, 14)))
    other = ExitBranch(stage=1, width=8, features=3).build(site((2, 196, 8)))
    other.load_state_dict(one.state_dict())
    torch.testing.assert_close(one(grid), other(grid.flatten(2).transpose(1, 2)))


def test_initial_weights(site):
    torch.manual_seed(0)
    grid = ExitBranch(stage=3, width=64, features=50).build(site((2, 64, 8, 8)))
    pointwise = grid[0][1].conv_pw.weight
    assert pointwise.std().item() == pytest.approx((2 / 64) ** 0.5, rel=0.05)
    for classifier in (
        grid[-1],
        ExitBranch(stage=3, features=50).build(site((2, 9, 64))).classifier,
    ):
        assert classifier.weight.std().item() == pytest.approx(0.02, rel=0.05)
        assert classifier.bias.abs().max() == 0


# the whole method

EXITS = """\
blueprint: exits
data: {dataset: fake, size: 32, samples: 40, batch_size: 16, classes: 4}
nodes:
  teacher:
    type: teacher
    model: timm/test_vit
    args: {patch_size: 8, embed_dim: 32, depth: 4, num_heads: 4}
  student: {type: student, model: timm/test_resnet, args: {channels: [8, 12, 16, 24]}}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy}
  - {from: data.label, to: student.logits, loss: cross_entropy}
  - {from: teacher.logits, to: student.logits, loss: ofa, weight: 0.1}
"""
for stage in STAGES:
    EXITS += f"  - {{from: teacher.logits, to: student.stage{stage}, loss: ofa, weight: 0.1, "
    EXITS += f"via: {{type: exit_branch, stage: {stage}, width: 32}}}}\n"
EXITS += """\
phases: [{name: teach, train: [teacher]}, {name: distil, train: [student]}]
train: {epochs: 1, lr: 1e-2, device: cpu}
"""
BRANCHES = [f"flow{stage + 3}_exit_branch" for stage in STAGES]


def state(session, name):
    return {key: value.clone() for key, value in session.parts[name].state_dict().items()}


def stepped(text, *, steps=2):
    """Take steps of the last phase; give the session and the states before."""
    session = begin(text)
    names = [name for name, part in session.parts.items() if isinstance(part, nn.Module)]
    before = {name: state(session, name) for name in names}
    step = stepper(session)
    for number in range(steps):
        step.run([batch_of(8, seed=number, size=32)])
    return session, before


def test_invariant_5_stages_leave_the_logits_as_they_are():
    network = begin(EXITS).parts["student"].eval()
    image = torch.randn(3, 3, 32, 32)
    logits, *_ = network.reader(["logits", "stage1", "stage2", "stage3", "stage4"])(image)
    assert torch.equal(logits, network.model(image))


def test_invariant_5_the_student_keeps_its_plain_architecture():
    session, _ = stepped(EXITS)
    plain = timm.create_model("test_resnet", num_classes=4, channels=[8, 12, 16, 24])
    plain.load_state_dict(session.parts["student"].deliverable().state_dict(), strict=True)


def test_invariant_6_branches_and_student_learn_and_the_teacher_does_not():
    session, before = stepped(EXITS)
    after = {name: state(session, name) for name in before}
    for name in ("student", *BRANCHES):
        for key, _ in session.parts[name].named_parameters():
            assert not torch.equal(before[name][key], after[name][key]), (name, key)
    assert all(
        torch.equal(before["teacher"][key], after["teacher"][key]) for key in after["teacher"]
    )
    assert all(each.grad is None for each in session.parts["teacher"].parameters())


@pytest.mark.parametrize("stage", STAGES)
def test_invariant_6_a_branch_sends_nothing_to_later_stages(stage):
    session = begin(EXITS)
    network = session.parts["student"]
    _, *stages = network.reader(["logits", "stage1", "stage2", "stage3", "stage4"])(
        torch.randn(4, 3, 32, 32)
    )
    logits = session.parts[BRANCHES[stage - 1]](stages[stage - 1])
    OFA(gamma=1.5)(logits, torch.randn(4, 4), torch.tensor([0, 1, 2, 3])).backward()
    for number in STAGES:
        layer = getattr(network.model, f"layer{number}")
        reached = [each.grad is not None for each in layer.parameters()]
        assert all(reached) if number <= stage else not any(reached)
    assert network.model.fc.weight.grad is None


@pytest.mark.parametrize("power", [True, False])
def test_invariant_7_class_numbers_and_one_hot_labels_give_the_same(power):
    student, teacher, label = torch.randn(5, 4), torch.randn(5, 4), torch.tensor([0, 3, 1, 1, 2])
    loss = OFA(gamma=1.5, nontarget_power=power)
    one_hot = nn.functional.one_hot(label, 4).float()
    assert torch.equal(loss(student, teacher, label), loss(student, teacher, one_hot))


def test_invariant_8_without_weights_it_is_plain_training():
    alone = "\n".join(line for line in EXITS.splitlines() if "loss: ofa" not in line) + "\n"
    weightless, _ = stepped(EXITS.replace("weight: 0.1", "weight: 0"), steps=4)
    plain, _ = stepped(alone, steps=4)
    found, expected = state(weightless, "student"), state(plain, "student")
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.equal(found[key], value), key


def test_shipped_blueprint_has_a_branch_at_each_stage():
    graph = compile_blueprint(load("ofa")).graph
    branches = [vertex(graph, name) for name in BRANCHES]
    assert [each.component.stage for each in branches] == [1, 2, 3, 4]
    assert {str(each.taps[""]) for each in branches} == {"b c=10"}


# bad input


def refused(site, shape, **settings):
    with pytest.raises(ComponentError) as error:
        on_meta(site, shape, **settings)
    return error.value.field, str(error.value)


def test_unknown_output_size(site):
    with pytest.raises(ComponentError) as error:
        ExitBranch(stage=1, width=4).build(site((2, 3, 8, 8)))
    assert str(error.value) == (
        "exit_branch cannot tell its output size: nothing is known of the other side; "
        "say features: N"
    )


@pytest.mark.parametrize(
    ("blocks", "meaning"),
    [
        (None, "the larger of the last features of student and teacher"),
        ("transformer", "that of the student's last feature"),
    ],
)
def test_unknown_width(site, blocks, meaning):
    assert refused(site, (2, 3, 8, 8), stage=1, blocks=blocks) == (
        "width",
        f"exit_branch cannot tell its width from 'b c=3 h=8 w=8'; say width: N, {meaning}",
    )


@pytest.mark.parametrize(("hidden", "tokens"), [(1, 197), (2, 198), (4, 200)])
def test_hidden_class_tokens(site, hidden, tokens):
    assert refused(site, (2, tokens, 192), stage=1) == (
        "height",
        f"the patches of 'b n={tokens} d=192' make no grid: {tokens} tokens are no square; "
        f"write prefix: {hidden} or height: N",
    )


@pytest.mark.parametrize("field", ["prefix", "height"])
def test_a_grid_has_neither_class_tokens_nor_another_height(site, field):
    assert refused(site, (2, 3, 8, 8), stage=1, width=4, **{field: 1}) == (
        field,
        f"{field} is 1, but 'b c=3 h=8 w=8' is a grid already; drop {field}",
    )


def test_convolutions_of_tokens(site):
    assert refused(site, (2, 49, 8), stage=1, blocks="convolution") == (
        "blocks",
        "blocks is convolution, but 'b n=49 d=8' is no grid; "
        "drop blocks, or write tokens_to_grid before exit_branch",
    )


def test_width_without_a_merging(site):
    assert refused(site, (2, 49, 8), stage=1, width=16) == (
        "width",
        "width is 16, but 'b n=49 d=8' has 8 channels and nothing is merged on this grid; "
        "write width: 8, or linear before exit_branch",
    )
    _, text = refused(site, (2, 8, 7, 7), stage=1, width=16, blocks="transformer")
    assert text.endswith("write width: 8, or conv1x1 before exit_branch")


def test_width_beside_class_tokens(site):
    assert refused(site, (2, 197, 8), stage=1, width=16, prefix=1) == (
        "width",
        "width is 16, but 'b n=197 d=8' has 8 channels and class tokens keep theirs; "
        "write width: 8, or linear before exit_branch",
    )


def test_width_that_four_heads_cannot_share(site):
    assert refused(site, (2, 196, 8), stage=1, width=13) == (
        "width",
        "width is 13, which 4 heads cannot share; try 16",
    )


@pytest.mark.parametrize(
    ("shape", "settings", "text"),
    [
        (
            (2, 225, 8),
            {},
            "15 x 15 patches are not merged 2 x 2 once without a rest; write tokens_to_grid and "
            "{type: resize, height: 14, width: 14} before exit_branch "
            "and blocks: transformer in it",
        ),
        (
            (2, 8, 28, 30),
            {"width": 8, "blocks": "transformer"},
            "28 x 30 patches are not merged 2 x 2 2 times without a rest; write "
            "{type: resize, height: 28, width: 28} before exit_branch",
        ),
    ],
)
def test_a_grid_that_cannot_be_halved(site, shape, settings, text):
    assert refused(site, shape, stage=1, **settings) == ("", text)


def test_the_advice_for_a_grid_that_cannot_be_halved_works(site):
    branch = on_meta(site, (2, 8, 14, 14), stage=1, width=8, blocks="transformer")
    assert branch(torch.empty(2, 8, 14, 14, device="meta")).shape == (2, 100)


HEAD = """\
blueprint: t
data: {dataset: digits}
nodes:
  teacher: {type: teacher, model: timm/test_resnet}
  student: {type: student, model: timm/test_vit, args: {patch_size: 8, depth: 4, num_heads: 4}}
phases: [{name: a, train: [teacher]}, {name: b, train: [student]}]
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy}
"""


@pytest.mark.parametrize(
    ("tap", "settings", "via", "expected"),
    [
        (
            "tokens",
            "",
            "stage: 4",
            "t.yaml:9:64: flow 2: the patches of 'b n=17 d=64' make no grid: "
            "17 tokens are no square; write prefix: 1 or height: N",
        ),
        ("stage1", "", "stage: 5", "t.yaml:9:91: flow 2: stage is 5, not at most 4"),
        ("stage1", "", "stage: 0", "t.yaml:9:91: flow 2: stage is 0, not at least 1"),
        ("stage1", "", "width: 64", "t.yaml:9:64: flow 2: 'stage' is missing"),
        (
            "stage1",
            "gamma: [1, 1.5], ",
            "stage: 1",
            "t.yaml:9:66: flow 2: gamma is [1, 1.5], not a number",
        ),
        (
            "logits",
            "",
            "stage: 1",
            "t.yaml:9:32: flow 2: 'student.logits' is 'b c=10', but exit_branch takes "
            "'b c h w | b n d' there; read another tap, or put a projector between",
        ),
    ],
)
def test_check_says_what_does_not_fit(tap, settings, via, expected):
    flow = f"  - {{from: teacher.logits, to: student.{tap}, loss: ofa, {settings}"
    flow += f"via: {{type: exit_branch, {via}}}}}\n"
    with pytest.raises(BlueprintError) as error:
        compile_blueprint(loads(HEAD + flow, name="t.yaml"))
    assert str(error.value) == expected


def test_class_tokens_that_are_told_of_pass():
    flow = "  - {from: teacher.logits, to: student.tokens, loss: ofa, "
    flow += "via: {type: exit_branch, stage: 4, prefix: 1}}\n"
    graph = compile_blueprint(loads(HEAD + flow)).graph
    assert vertex(graph, "flow2_exit_branch").taps[""] == Socket("b c", (2, 10))
