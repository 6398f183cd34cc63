from __future__ import annotations

import copy
from itertools import product

import pytest
import torch
from torch import nn

from graphkd.component import ImageSpec, Network, Site, Socket, find, reference_fields
from graphkd.components.losses import OFA, InfoNCE
from graphkd.components.models import HybridAssistant, Student
from graphkd.errors import ComponentError
from tests.components.models.tas_networks import (
    CNNS,
    MIXERS,
    assistant,
    images,
    network,
    site_of,
    stage,
    timm_network,
)

PAIRS = list(product(CNNS, MIXERS))


def ids(module):
    return {id(each) for each in module.parameters()}


def test_registered():
    assert find("model", "hybrid_assistant") is HybridAssistant
    assert reference_fields(HybridAssistant) == ("early", "late")
    assert HybridAssistant.learns and not HybridAssistant.delivered


# invariant 1: new parameters, and whose modules run


@pytest.mark.parametrize("family", MIXERS)
def test_invariant_1_only_the_projector_is_new(family):
    early, late = network("resnet"), network(family)
    hybrid = assistant(early, late)
    assert ids(hybrid) == ids(hybrid.projector)
    assert not ids(hybrid) & (ids(early) | ids(late))
    assert list(hybrid.state_dict()) == [
        f"projector.{key}" for key in hybrid.projector.state_dict()
    ]
    ran = []
    for each in late.modules():
        each.register_forward_hook(lambda module, inputs, output: ran.append(id(module)))
    hybrid.reader(["logits"])(stage(early, "stage3", images()))
    # the block that both the assistant and its owner run
    last = {"swin": "layers.3.blocks", "vit": "blocks.5"}.get(family, "blocks.3")
    assert id(late.model.get_submodule(last)) in ran
    assert id(late.model.get_submodule("head")) in ran


def test_invariant_1_stages_follow_their_owner():
    early, late = network("resnet"), network("swin")
    hybrid = assistant(early, late)
    read, value = hybrid.reader(["logits"]), stage(early, "stage3", images())
    (before,) = read(value)
    late.model.head.fc.bias.add_(1.0)
    torch.testing.assert_close(read(value)[0], before + 1.0)


def test_the_logits_are_head_of_stage4_of_projector():
    early, late = network("resnet"), network("swin")
    hybrid = assistant(early, late)
    value = stage(early, "stage3", images())
    logits, embedding, stage4 = hybrid.reader(hybrid.taps())(value)
    model = late.model
    channels_last = hybrid.projector(value).permute(0, 2, 3, 1)
    final = model.norm(model.layers[3].blocks(channels_last))
    torch.testing.assert_close(stage4, final.permute(0, 3, 1, 2))
    torch.testing.assert_close(embedding, final.mean((1, 2)))
    torch.testing.assert_close(logits, model.head.fc(final.mean((1, 2))))
    assert torch.equal(hybrid(value)[0], logits)


# invariant 2: gradients


@pytest.mark.parametrize(("cnn", "mixer"), [("resnet", "swin"), ("convnext", "vit")])
def test_invariant_2_a_frozen_teacher_lends_its_late_stage(cnn, mixer):
    student, teacher = network(cnn).train(), network(mixer).requires_grad_(False)
    hybrid = assistant(student, teacher)
    with torch.enable_grad():
        hybrid.reader(["logits"])(stage(student, "stage3", images()))[0].square().sum().backward()
    assert all(each.grad is None for each in teacher.parameters())
    assert all(each.grad is not None for each in hybrid.parameters())
    early, late = parameters_by_stage(student, cnn)
    assert all(each.grad is not None for each in early)
    assert early[0].grad.any()
    assert late and all(each.grad is None for each in late)


def test_invariant_2_a_frozen_teacher_lends_its_early_stages():
    student, teacher = network("swin").train(), network("resnet").requires_grad_(False)
    hybrid = assistant(teacher, student)
    with torch.enable_grad():
        hybrid.reader(["logits"])(stage(teacher, "stage3", images()))[0].square().sum().backward()
    assert all(each.grad is None for each in teacher.parameters())
    model = student.model
    lent = [*model.layers[3].blocks.parameters(), *model.norm.parameters()]
    lent += [*model.head.parameters()]
    assert all(each.grad is not None for each in (*hybrid.parameters(), *lent))
    others = [each for each in student.parameters() if id(each) not in {id(one) for one in lent}]
    assert others and all(each.grad is None for each in others)


def parameters_by_stage(owner, family):
    late = {"resnet": ("layer4", "fc"), "convnext": ("stages.3", "head")}[family]
    named = list(owner.model.named_parameters())
    return (
        [each for name, each in named if not name.startswith(late)],
        [each for name, each in named if name.startswith(late)],
    )


# invariant 3: what is transferred holds no places


@pytest.mark.parametrize("family", ["swin", "mixer", "resmlp", "resnet", "mobilenetv2", "convnext"])
def test_invariant_3_the_embedding_does_not_see_where_features_are(family):
    early, late = network("resnet"), network(family)
    hybrid = assistant(early, late)
    taps = ("embedding", "logits", "tokens" if "tokens" in hybrid.taps() else "stage4")
    embedding, logits, final = hybrid.reader(taps)(stage(early, "stage3", images()))
    shuffled = shuffle_places(final)
    assert not torch.equal(shuffled, final)
    if family == "swin":
        shuffled = shuffled.permute(0, 2, 3, 1)
    head = late.model.forward_head
    torch.testing.assert_close(head(shuffled, pre_logits=True), embedding)
    torch.testing.assert_close(head(shuffled), logits)


def shuffle_places(value):
    if value.ndim == 3:
        return value[:, torch.randperm(value.shape[1])]
    places = value.flatten(2)
    return places[:, :, torch.randperm(places.shape[2])].reshape(value.shape)


# invariant 7: every pair, both ways


@pytest.mark.parametrize(("cnn", "mixer"), PAIRS)
@pytest.mark.parametrize("teacher", ["cnn", "mixer"])
def test_invariant_7_every_pair_takes_a_step(cnn, mixer, teacher):
    networks = {"cnn": network(cnn), "mixer": network(mixer)}
    learner = networks["mixer" if teacher == "cnn" else "cnn"].train()
    networks[teacher].requires_grad_(False)
    hybrid = assistant(networks["cnn"], networks["mixer"]).train()
    learnt = [*hybrid.parameters(), *learner.parameters()]
    before = [each.clone() for each in hybrid.parameters()]
    optimizer = torch.optim.SGD(learnt, lr=0.1)
    with torch.enable_grad():
        logits, embedding = hybrid.reader(("logits", "embedding"))(
            stage(networks["cnn"], "stage3", images())
        )
        (nn.functional.cross_entropy(logits, torch.tensor([3, 7])) + embedding.std()).backward()
    optimizer.step()
    assert logits.shape == (2, 10)
    assert logits.isfinite().all()
    for old, new in zip(before, hybrid.parameters(), strict=True):
        assert new.isfinite().all()
        assert not torch.equal(old, new)


FULL_CNNS = ("resnet18", "mobilenetv2_100", "convnext_tiny")
FULL_MIXERS = {
    "swin_tiny_patch4_window7_224": (2, 768, 7, 7),
    "vit_small_patch16_224": (2, 196, 384),
    "deit_tiny_patch16_224": (2, 196, 192),
    "mixer_b16_224": (2, 196, 768),
    "resmlp_12_224": (2, 196, 384),
}


@pytest.fixture(scope="module")
def full():
    image = ImageSpec(3, 224, 224, (0.5,) * 3, (0.25,) * 3)
    site = Site(image=image, classes=100, load_weights=False)
    with torch.device("meta"):
        names = (*FULL_CNNS, *FULL_MIXERS)
        return {name: Student(model=f"timm/{name}").build(site).eval() for name in names}


@pytest.mark.parametrize("mixer", FULL_MIXERS)
@pytest.mark.parametrize("cnn", FULL_CNNS)
def test_invariant_7_every_pair_builds_on_the_meta_device(full, cnn, mixer):
    with torch.device("meta"):
        site = site_of(full[cnn], full[mixer])
        hybrid = HybridAssistant(early="a.stage3", late="b.stage4").build(site)
        value = torch.empty(site.inputs["early"][0].shape)
        logits, embedding, stage4 = hybrid.reader(("logits", "embedding", "stage4"))(value)
    assert isinstance(hybrid, Network)
    assert logits.is_meta and logits.shape == (2, 100)
    assert stage4.shape == FULL_MIXERS[mixer]
    assert embedding.shape == (2, full[mixer].model.num_features)
    assert (hybrid.layout("logits"), hybrid.layout("embedding")) == ("b c", "b d")
    assert hybrid.layout("stage4") == full[mixer].layout("stage4")
    assert hybrid.layout("stage3") is None
    assert hybrid.image == full[mixer].image


@pytest.mark.parametrize(
    ("early", "late"), [("convnext", "resnet"), ("resnet", "mobilenetv2"), ("vit", "convnext")]
)
def test_before_stages_of_convolutions_the_projector_convolves(early, late):
    first, last = network(early), network(late)
    hybrid = assistant(first, last)
    assert hybrid.projector.by_convolutions
    (logits,) = hybrid.reader(["logits"])(stage(first, "stage3", images()))
    assert logits.shape == (2, 10)


@pytest.mark.parametrize(("early", "late"), [("vit", "swin"), ("swin", "deit"), ("mixer", "vit")])
def test_tokens_lead_to_late_stages_too(early, late):
    first, last = network(early), network(late)
    hybrid = assistant(first, last)
    assert not hybrid.projector.by_convolutions
    (logits,) = hybrid.reader(["logits"])(stage(first, "stage3", images()))
    assert logits.shape == (2, 10)


def test_a_late_part_may_begin_earlier():
    early, late = network("resnet"), network("swin")
    hybrid = assistant(early, late, tap="stage2", beginning="stage3")
    assert hybrid.taps() == ("logits", "embedding", "stage3", "stage4")
    logits, stage3 = hybrid.reader(("logits", "stage3"))(stage(early, "stage2", images()))
    assert logits.shape == (2, 10)
    assert stage3.shape == (2, 48, 4, 4)


# invariant 8: teaching the assistant alone


def test_invariant_8_teaching_the_assistant_leaves_the_students_end_as_it_is():
    student, teacher = network("resnet").train(), network("swin").requires_grad_(False)
    hybrid = assistant(student, teacher).train()
    nce = InfoNCE().build(Site())
    batch, label = images(8), torch.arange(8)
    knowledge, guide = teacher.reader(("logits", "embedding"))(batch)
    read = hybrid.reader(("logits", "embedding"))
    end = copy.deepcopy(parameters_by_stage(student, "resnet")[1])
    optimizer = torch.optim.AdamW(
        [*student.parameters(), *hybrid.parameters(), *nce.parameters()], lr=1e-3, weight_decay=0.0
    )
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        with torch.enable_grad():
            logits, embedding = read(stage(student, "stage3", batch))
            loss = nce(embedding, guide) + OFA()(logits, knowledge, label)
            loss = loss + nn.functional.cross_entropy(logits, label)
            loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    for old, new in zip(end, parameters_by_stage(student, "resnet")[1], strict=True):
        assert torch.equal(old, new)


# what the owners keep to themselves


def test_copies_of_an_assistant_use_the_lent_stages_themselves():
    early, late = network("resnet"), network("swin")
    hybrid = assistant(early, late)
    average = copy.deepcopy(hybrid)
    assert not ids(average) & ids(hybrid)
    assert len(ids(average)) == len(ids(hybrid))
    value = stage(early, "stage3", images())
    assert torch.equal(average(value)[0], hybrid(value)[0])
    late.model.head.fc.bias.add_(1.0)
    assert torch.equal(average(value)[0], hybrid(value)[0])
    average.projector.norm.bias.add_(1.0)
    assert not torch.equal(average(value)[0], hybrid(value)[0])


def test_modes_and_statistics_stay_with_the_owners():
    student, teacher = network("resnet").train(), network("convnext")
    hybrid = assistant(teacher, student)
    before = copy.deepcopy(dict(student.named_buffers()))
    hybrid.train()
    assert not teacher.training and student.training
    value = stage(teacher, "stage3", images(4))
    hybrid(value)
    hybrid.eval()
    assert student.training and student.model.layer4.training
    assert all(torch.equal(each, before[key]) for key, each in student.named_buffers())
    # its own layers are no different from any others
    assert hybrid.projector.block[2].num_batches_tracked == 1


@pytest.mark.parametrize("family", ["swin", "vit", "resnet"])
def test_a_copied_teacher_stage_is_the_assistants_own(family):
    early, late = network("mobilenetv2"), network(family).requires_grad_(False)
    shared = assistant(early, late)
    hybrid = assistant(early, late, teacher_stage="copy")
    hybrid.projector.load_state_dict(shared.projector.state_dict())
    value = stage(early, "stage3", images(4))
    assert torch.equal(hybrid.eval()(value)[0], shared.eval()(value)[0])
    assert not ids(hybrid) & ids(late)
    before = copy.deepcopy(late.state_dict())
    with torch.enable_grad():
        hybrid.train()(value)[0].square().sum().backward()
    assert all(each.grad is not None for each in hybrid.parameters())
    assert all(each.grad is None for each in late.parameters())
    average = copy.deepcopy(hybrid)
    assert not ids(average) & ids(hybrid)
    for each in hybrid.parameters():
        each.add_(1.0)
    assert torch.equal(average.eval()(value)[0], copy.deepcopy(average).eval()(value)[0])
    assert not torch.equal(average(value)[0], hybrid.eval()(value)[0])
    assert all(torch.equal(each, before[key]) for key, each in late.state_dict().items())


def test_statistics_of_a_copied_stage_move():
    early, late = network("swin"), network("resnet")
    hybrid = assistant(early, late, teacher_stage="copy").train()
    hybrid(stage(early, "stage3", images(4)))
    assert hybrid.late.model.layer4[0].bn1.num_batches_tracked == 1
    assert late.model.layer4[0].bn1.num_batches_tracked == 0


@pytest.mark.parametrize("late", ["swin", "resnet"])
def test_a_stop_runs_less(late, modules_run):
    early, last = network("convnext"), network(late)
    hybrid = assistant(early, last, beginning="stage3")
    value = stage(early, "stage3", images())
    short = hybrid.reader(["stage3"], stop=True)
    assert torch.equal(short(value)[0], hybrid.reader(["stage3"])(value)[0])
    assert modules_run(last, short, value) < modules_run(last, hybrid.reader(["stage3"]), value)
    short.close()


def test_the_compiler_sees_one_graph():
    early, late = network("convnext"), network("resnet").train()
    hybrid = assistant(early, late)
    value = stage(early, "stage3", images(4))
    read = hybrid.reader(("logits", "stage4"))
    compiled = torch.compile(lambda x: read(x), backend="eager", fullgraph=True)
    for ours, plain in zip(compiled(value), read(value), strict=True):
        assert torch.equal(ours, plain)
    assert late.model.layer4[0].bn1.num_batches_tracked == 0
    assert late.model.layer4[0].bn1.track_running_stats


# refusals


def refused(make):
    with pytest.raises(ComponentError) as error:
        make()
    return error.value.field, str(error.value)


def test_late_must_name_a_late_stage():
    early, late = network("resnet"), network("swin")
    for beginning in ("stage1", "logits"):
        assert refused(lambda: assistant(early, late, beginning=beginning)) == (  # noqa: B023
            "late",
            f"late is 'teacher.{beginning}', with which no tail begins; "
            "write one of teacher.stage2, teacher.stage3, teacher.stage4",
        )


def test_the_late_network_must_have_tails():
    early, late = network("resnet"), timm_network("test_byobnet")
    assert refused(lambda: assistant(early, late)) == (
        "late",
        "late is 'teacher.stage4', but timm/test_byobnet cannot run from stage4 on; timm's models "
        "of resnet, efficientnet, convnext, swin_transformer, vision_transformer, deit, mlp_mixer "
        "can",
    )


def test_an_assistant_lends_nothing_itself():
    early, late = network("resnet"), network("swin")
    hybrid = assistant(early, late)
    site = Site(inputs={"early": (Socket("b c h w", (2, 192, 4, 4)),)}, modules={"late": hybrid})
    component = HybridAssistant(early="student.stage3", late="helper.stage4")
    assert refused(lambda: component.build(site)) == (
        "late",
        "late is 'helper.stage4', but 'helper' is no network of its own; "
        "write a stage of a student, teacher or assistant",
    )


def test_early_must_have_places():
    early, late = network("vit"), network("swin")
    assert refused(lambda: assistant(early, late, tap="tokens")) == (
        "early",
        "early is 'student.tokens', 'b n=17 d=64', whose tokens fill no square; "
        "the taps stage1 to stage4 hold no class tokens; write student.stage3",
    )
    assert refused(lambda: assistant(early, late, tap="embedding")) == (
        "early",
        "early is 'student.embedding', 'b d=64', which has no places; write student.stage3",
    )


def test_late_tokens_must_fill_a_square():
    early = network("resnet")
    image = ImageSpec(3, 64, 32, (0.5,) * 3, (0.25,) * 3)
    args = {"img_size": [64, 32]}
    late = Student(model="timm/test_vit", args=args).build(Site(image=image, classes=10))
    assert refused(lambda: assistant(early, late)) == (
        "late",
        "late is 'teacher.stage4', which reads 'b n=8 d=64', tokens that fill no square; "
        "give its network square images",
    )


def test_assistants_are_not_delivered():
    hybrid = assistant(network("resnet"), network("swin"))
    said = (
        "a hybrid_assistant consists of other networks' stages and is not delivered; "
        "deliver the student"
    )
    assert refused(hybrid.deliverable) == ("", said)
    assert refused(hybrid.passport) == ("", said)


def test_a_copy_is_taken_when_the_phase_begins():
    late = network("resnet")
    hybrid = assistant(network("mobilenetv2"), late, teacher_stage="copy")
    with torch.no_grad():
        for each in late.parameters():
            each.add_(0.5)
    hybrid.advance(0, 10)
    ours, theirs = hybrid.late.model.state_dict(), late.model.state_dict()
    assert all(torch.equal(value, theirs[key]) for key, value in ours.items())
    with torch.no_grad():
        late.model.fc.bias.add_(1.0)
    # a later phase goes on with what was learnt
    hybrid.advance(0, 10)
    assert not torch.equal(hybrid.late.model.fc.bias, late.model.fc.bias)
