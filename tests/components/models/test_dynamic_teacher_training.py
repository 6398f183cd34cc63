"""The dynamic teacher and its student while they train, are copied, saved, moved and compiled."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.distributed as dist
from timm.utils import ModelEmaV3
from torch import nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from graphkd import register_model
from graphkd.component import ImageSpec, Site
from graphkd.components.models import DynamicTeacher, Student


@pytest.fixture(autouse=True)
def gradients(quiet_and_seeded):
    with torch.enable_grad():
        yield


class Small(nn.Module):
    """Each kind of layer once, with a residual."""

    def __init__(self, num_classes, in_chans):
        super().__init__()
        self.stem = nn.Conv2d(in_chans, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.depth = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.mix = nn.Conv2d(4, 6, 3, padding=1, bias=False)
        self.skip = nn.Conv2d(4, 6, 1)
        self.head = nn.Linear(6, num_classes)

    def forward(self, image):
        x = self.norm(self.stem(image)).relu()
        x = F.gelu(self.mix(self.depth(x)) + self.skip(x))
        return self.head(x.mean((2, 3)))


register_model("graphkd_test_small")(Small)


def make(expand=2, model="graphkd_test_small", dtype=torch.float32, **settings):
    image = ImageSpec(3, 16, 16, (0.5,) * 3, (0.25,) * 3)
    student = Student(model=model).build(Site(image=image, classes=5))
    for each in student.buffers():
        if each.is_floating_point():
            each.add_(0.1 * torch.rand_like(each))
    student.to(dtype)
    where = Site(image=image, classes=5, modules={"of": student})
    return student, DynamicTeacher(of="student", expand=expand, **settings).build(where)


def batch(dtype=torch.float32, count=8):
    return torch.randn(count, 3, 16, 16, dtype=dtype), torch.randint(0, 5, (count,))


def soft_cross_entropy(student, dynamic):
    target = 0.9 * dynamic.detach().softmax(1) + 0.1 / dynamic.shape[1]
    return -(target * student.log_softmax(1)).sum(1).mean()


def losses(student, wide, image, label):
    z_s, z_d = student(image), wide(image)
    ours = F.cross_entropy(z_s, label) + 3 * soft_cross_entropy(z_s, z_d)
    return F.cross_entropy(z_d, label), ours


def train(student, wide, *, steps=3, decay=0.0):
    parameters = [*{*student.parameters(), *wide.parameters()}]
    optimizer = torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=decay)
    for _ in range(steps):
        optimizer.zero_grad()
        sum(losses(student.train(), wide.train(), *batch())).backward()
        optimizer.step()
    return student.eval(), wide.eval()


def stored(network):
    return {name: each for name, each in network.named_parameters() if each.requires_grad}


def blocks(parameter, name, expand=2):
    """Cut a stored tensor into its blocks (i, j); an axis that is not widened stays whole."""
    plain = dict(Small(5, 3).named_parameters())
    key = name.removeprefix("model.").replace("parametrizations.", "").replace(".original", "")
    axes = [
        axis
        for axis, (wide, narrow) in enumerate(zip(parameter.shape, plain[key].shape, strict=True))
        if wide != narrow
    ]
    found = [parameter]
    for axis in axes:
        found = [piece for each in found for piece in each.chunk(expand, axis)]
    return found


def cancels(name):
    """Whether a bias stands before a batch norm: in exact arithmetic it has no gradient."""
    return "stem.parametrizations.bias" in name


def expanded_by_hand(p, image, *, copies, mean, var):
    """Compute the wide and the narrow network from stored tensors, written out."""

    def network(w, *, groups, mean, var):
        x = F.conv2d(image, w["stem.weight"], w["stem.bias"], padding=1)
        x = F.batch_norm(x, mean, var, w["norm.weight"], w["norm.bias"]).relu()
        y = F.conv2d(x, w["depth.weight"], w["depth.bias"], padding=1, groups=groups)
        y = F.conv2d(y, w["mix.weight"], padding=1)
        x = F.gelu(y + F.conv2d(x, w["skip.weight"], w["skip.bias"]))
        return F.linear(x.mean((2, 3)), w["head.weight"], w["head.bias"])

    r = copies
    wide = dict(p) | {name: r * p[name] for name in ("stem.weight", "stem.bias", "skip.bias")}
    wide["head.weight"] = p["head.weight"] / r
    own = {
        "stem.weight": r * p["stem.weight"][:4],
        "stem.bias": r * p["stem.bias"][:4],
        "norm.weight": p["norm.weight"][:4],
        "norm.bias": p["norm.bias"][:4],
        "depth.weight": p["depth.weight"][:4],
        "depth.bias": p["depth.bias"][:4],
        "mix.weight": r * p["mix.weight"][:6, :4],
        "skip.weight": r * p["skip.weight"][:6, :4],
        "skip.bias": r * p["skip.bias"][:6],
        "head.weight": p["head.weight"][:, :6],
        "head.bias": p["head.bias"],
    }
    return (
        network(own, groups=4, mean=mean, var=var),
        network(wide, groups=4 * r, mean=mean.repeat(r), var=var.repeat(r)),
    )


@pytest.mark.parametrize("copies", [2, 3])
def test_gradients_of_both_passes_add_up_as_in_a_network_written_out(copies):
    student, wide = make(copies, dtype=torch.float64, noise=1e-3)
    image, label = batch(torch.float64)
    student.eval(), wide.eval()
    for loss in losses(student, wide, image, label):
        loss.backward()
    names = {
        name.removeprefix("model.").replace("parametrizations.", "").replace(".original", ""): each
        for name, each in student.named_parameters()
    }
    hand = {name: each.detach().clone().requires_grad_() for name, each in names.items()}
    norm = student.model.norm
    z_s, z_d = expanded_by_hand(
        hand, image, copies=copies, mean=norm.running_mean, var=norm.running_var
    )
    torch.testing.assert_close(student(image), z_s, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(wide(image), z_d, rtol=1e-12, atol=1e-12)
    loss = F.cross_entropy(z_d, label) + F.cross_entropy(z_s, label)
    (loss + 3 * soft_cross_entropy(z_s, z_d)).backward()
    assert len(hand) == 11
    for name, each in names.items():
        torch.testing.assert_close(each.grad, hand[name].grad, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("branches", [1, 6])
def test_invariant_4_after_training_the_student_is_handed_back_exactly(branches):
    student, wide = train(*make(branches=branches))
    image, _ = batch()
    expected = student(image)
    back = student.deliverable()
    assert list(back.state_dict()) == list(Small(5, 3).state_dict())
    assert not any(hasattr(each, "merged") for each in back.modules())
    again = Small(5, 3).eval()
    again.load_state_dict(back.state_dict(), strict=True)
    assert torch.equal(back(image), expected)
    assert torch.equal(again(image), expected)
    assert not torch.allclose(wide(image), expected, atol=1e-3)
    # the wide model folds too, and neither changes what trains
    assert torch.equal(wide.deliverable()(image), wide(image))
    assert torch.equal(student(image), expected)


def test_invariant_5_a_step_on_the_students_losses_changes_its_block_alone():
    student, wide = make()
    optimizer = torch.optim.SGD([*student.parameters()], lr=0.1, momentum=0.9)
    before = {name: each.detach().clone() for name, each in stored(student).items()}
    losses(student, wide, *batch())[1].backward()
    optimizer.step()
    for name, each in stored(student).items():
        own, *others = blocks(each, name)
        old, *rest = blocks(before[name], name)
        assert cancels(name) or not torch.equal(own, old)
        assert all(torch.equal(one, two) for one, two in zip(others, rest, strict=True))


def test_invariant_5_a_step_on_the_wide_models_loss_changes_every_block():
    student, wide = make()
    optimizer = torch.optim.SGD([*wide.parameters()], lr=0.1, momentum=0.9)
    before = {name: each.detach().clone() for name, each in stored(student).items()}
    F.cross_entropy(wide(batch()[0]), torch.arange(8) % 5).backward()
    optimizer.step()
    for name, each in stored(student).items():
        for one, two in zip(blocks(each, name), blocks(before[name], name), strict=True):
            assert cancels(name) or not torch.equal(one, two), name


def test_invariant_6_what_the_student_learns_gives_the_wide_model_no_gradient():
    student, wide = make()
    z_s, z_d = student(batch()[0]), wide(batch()[0])
    soft_cross_entropy(z_s, z_d).backward()
    for name, each in stored(wide).items():
        assert each.grad is not None
        assert all(not block.any() for block in blocks(each.grad, name)[1:])


def test_noise_parts_the_copies_and_without_it_they_stay_equal():
    for noise, parted in ((0.0, False), (1e-6, True)):
        _, wide = make(3, noise=noise)
        optimizer = torch.optim.SGD([*wide.parameters()], lr=1.0)
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(wide(batch()[0]), torch.arange(8) % 5).backward()
            optimizer.step()
        second, third = wide.model.mix.weight.chunk(3)[1:]
        assert torch.equal(second, third) != parted


def test_invariant_9_running_statistics_are_apart():
    student, wide = make()
    assert torch.equal(wide.model.norm.running_mean[4:], student.model.norm.running_mean)
    old = wide.model.norm.running_mean.clone()
    student.train()(batch()[0])
    assert torch.equal(wide.model.norm.running_mean, old)
    assert not torch.equal(student.model.norm.running_mean, old[:4])
    train(student, wide)
    assert not torch.allclose(wide.model.norm.running_mean[:4], student.model.norm.running_mean)
    assert set(dict(student.model.named_buffers())) == set(dict(wide.model.named_buffers()))


def test_weight_decay_acts_once_on_a_shared_tensor():
    student, wide = make(noise=0.0)
    optimizer = torch.optim.SGD(
        [*{*student.parameters(), *wide.parameters()}], lr=0.1, weight_decay=0.5
    )
    weight = student.model.mix.parametrizations["weight"].original
    old = weight.detach().clone()
    for each in optimizer.param_groups[0]["params"]:
        each.grad = torch.zeros_like(each)
    optimizer.step()
    torch.testing.assert_close(weight, old * (1 - 0.1 * 0.5))


@pytest.mark.parametrize("branches", [1, 6])
def test_averages_of_both_are_copies_of_their_own(branches):
    student, wide = make(branches=branches)
    image, _ = batch()
    averages = [ModelEmaV3(each, decay=0.5) for each in (student, wide)]
    own = [each.module for each in averages]
    assert all(isinstance(each, type(student)) for each in own)
    train(student, wide)
    for average, network in zip(averages, (student, wide), strict=True):
        weight = network.model.skip.weight.detach().clone()
        start = average.module.model.skip.weight.detach().clone()
        average.update(network)
        torch.testing.assert_close(average.module.model.skip.weight, (weight + start) / 2)
        assert not {*average.module.parameters()} & {*network.parameters()}
    back = own[0].eval().deliverable()
    assert type(back) is Small
    assert torch.equal(back(image), own[0](image))
    # handing back a copy leaves the student's own parametrizations alone
    assert student.model.mix.weight.shape == (6, 4, 3, 3)


def test_copies_of_both_together_stay_shared():
    both = copy.deepcopy(nn.ModuleList(make()))
    assert {*both[0].parameters()} == {*both[1].parameters()}


@pytest.mark.parametrize("branches", [1, 6])
def test_checkpoints_of_each_bring_both_back(branches):
    student, wide = train(*make(branches=branches))
    image, _ = batch()
    expected = [each(image) for each in (student, wide)]
    states = [copy.deepcopy(each.state_dict()) for each in (student, wide)]
    fresh = make(branches=branches)
    for network, state in zip(fresh, states, strict=True):
        network.eval().load_state_dict(state, strict=True)
    assert all(torch.equal(n(image), e) for n, e in zip(fresh, expected, strict=True))
    assert {*fresh[0].parameters()} == {*fresh[1].parameters()}


def test_moving_both_keeps_them_shared():
    student, wide = make(noise=0.0, branches=4)
    student.to(torch.float64)
    wide.to(torch.float64)
    assert {*student.parameters()} == {*wide.parameters()}
    assert {each.dtype for each in student.parameters()} == {torch.float64}
    image, _ = batch(torch.float64)
    student.eval(), wide.eval()
    torch.testing.assert_close(student(image), wide(image))
    student.requires_grad_(False)
    assert not any(each.requires_grad for each in wide.parameters())
    # merged layers stay frozen
    assert not any(each.requires_grad for each in student.deliverable().parameters())


def test_both_compile_whole():
    student, wide = make(branches=2)
    image, label = batch()
    expected = [each.item() for each in losses(student.eval(), wide.eval(), image, label)]
    sum(losses(student, wide, image, label)).backward()
    gradients = [each.grad.clone() for each in student.parameters()]
    student.zero_grad()
    fast = [torch.compile(each, backend="aot_eager", fullgraph=True) for each in (student, wide)]
    found = losses(*fast, image, label)
    assert [each.item() for each in found] == pytest.approx(expected, rel=1e-5)
    sum(found).backward()
    for each, gradient in zip(student.parameters(), gradients, strict=True):
        torch.testing.assert_close(each.grad, gradient, rtol=1e-4, atol=1e-6)
    torch._dynamo.reset()


class Both(nn.Module):
    def __init__(self, student, wide):
        super().__init__()
        self.student, self.wide = student, wide

    def forward(self, image):
        return self.student(image), self.wide(image)


@pytest.fixture
def one_process(tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.skipif(not dist.is_available(), reason="torch is built without distributed")
def test_both_train_in_one_distributed_container(one_process):
    both = Both(*make())
    twin = copy.deepcopy(both)
    wrapped = DistributedDataParallel(both)
    image, label = batch()
    for each in (wrapped, twin):
        z_s, z_d = each(image)
        (F.cross_entropy(z_s, label) + F.cross_entropy(z_d, label)).backward()
    for one, two in zip(both.parameters(), twin.parameters(), strict=True):
        assert torch.equal(one.grad, two.grad)


@pytest.mark.parametrize("branches", [1, 6])
def test_it_begins_as_the_function_of_a_student_that_learnt_alone(branches):
    student, wide = make(branches=branches, fine_tune=True, noise=0.0)
    image, label = batch(count=16)
    optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        F.cross_entropy(student(image), label).backward()
        optimizer.step()
    student.eval(), wide.eval()
    before = student(image)
    assert (wide(image) - before).abs().max() > 1e-2
    wide.advance(0, 10)
    torch.testing.assert_close(student(image), before)
    assert (wide(image) - before).abs().max() <= 1e-5 * before.abs().max()
    # a later phase goes on with what both have become
    with torch.no_grad():
        for each in wide.parameters():
            each += 0.1 * torch.randn_like(each)
    parted = wide(image)
    wide.advance(0, 10)
    assert torch.equal(wide(image), parted)
