import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from graphkd.component import register_model
from tests.run.small import HEAD, NODES, PHASES, SMALL, batch_of, begin, stepper

ALONE = "flows: [{from: data.label, to: student.logits, loss: cross_entropy}]\n"
SGD = "optimizer: sgd, momentum: 0, weight_decay: 0, schedule: constant, lr: 0.1"


@register_model("plain")
class Plain(nn.Module):
    """Without batch norm, a batch's gradient is the mean of its samples'."""

    def __init__(self, num_classes, in_chans):
        super().__init__()
        self.stage1 = nn.Sequential(nn.Conv2d(in_chans, 4, 3, stride=2), nn.ReLU())
        self.stage2 = nn.Sequential(nn.Conv2d(4, 6, 3), nn.ReLU())
        self.fc = nn.Linear(6, num_classes)

    def forward(self, x):
        return self.fc(self.stage2(self.stage1(x)).mean((2, 3)))


def recipe(settings, text):
    """A blueprint whose recipe is the given settings."""
    start = text.index("train: {")
    end = text.index("}", start)
    return text[:start] + f"train: {{{settings}, device: cpu" + text[end:]


def weights(session, name="student"):
    return {key: value.clone() for key, value in session.parts[name].state_dict().items()}


def changed(before, after):
    return {key for key in before if not torch.equal(before[key], after[key])}


def test_a_flow_sleeps_in_all_but_every_nth_step():
    text = HEAD + "nodes: {student: {type: student, model: tiny}}\n"
    text += """\
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy}
  - {from: data.label, to: student.logits, loss: cross_entropy, every: 3, name: seldom}
"""
    step = stepper(begin(text))
    awake = []
    for number in range(7):
        step.run([batch_of(4, seed=number)])
        first, second = step.losses
        awake.append(second is not None)
        assert first is not None
        assert second is None or torch.equal(first, second)
    assert awake == [True, False, False, True, False, False, True]


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_nothing_changes_while_all_flows_sleep(precision):
    flow = "flows: [{from: data.label, to: student.logits, loss: cross_entropy, every: 2}]\n"
    text = HEAD + "nodes: {student: {type: student, model: plain}}\n" + flow
    session = begin(recipe(f"{SGD}, precision: {precision}", text))
    step = stepper(session)
    step.run([batch_of(4)])
    before = weights(session)
    step.run([batch_of(4)])
    assert step.losses == [None]
    assert changed(before, weights(session)) == set()
    step.run([batch_of(4)])
    assert changed(before, weights(session))


INTO = (
    HEAD
    + NODES.replace("model: tiny", "model: plain").replace(", args: {width: 6}", "")
    + """\
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy, weight: 2}
  - {from: data.label, to: mean, loss: cross_entropy, into: [teacher], every: EVERY}
phases: [{name: both, train: [teacher, student]}]
""".replace("EVERY", "1")
)
INTO = INTO.replace(
    "flows:",
    "  mean: {type: ensemble, of: logits, input: [teacher.logits, student.logits]}\nflows:",
)


def plain(session, name):
    return copy.deepcopy(session.parts[name].deliverable())


def normalized(session, image):
    spec = session.schedule.graph.graph["data_spec"].image
    mean, std = (torch.tensor(each).view(1, -1, 1, 1) for each in (spec.mean, spec.std))
    return (image - mean) / std


def test_into_narrows_whose_parameters_change():
    session = begin(recipe(SGD, INTO))
    teacher, student = plain(session, "teacher"), plain(session, "student")
    batch = batch_of(6)
    stepper(session).run([batch])
    image, label = normalized(session, batch["image"]), batch["label"]
    optimizer = torch.optim.SGD([*teacher.parameters(), *student.parameters()], lr=0.1)
    # the mean of both is learnt from, but the student only takes its own flow
    mean = 0.5 * teacher(image) + 0.5 * student(image).detach()
    (2 * F.cross_entropy(student(image), label) + F.cross_entropy(mean, label)).backward()
    optimizer.step()
    for name, module in (("teacher", teacher), ("student", student)):
        ours = session.parts[name].deliverable()
        for got, expected in zip(ours.parameters(), module.parameters(), strict=True):
            torch.testing.assert_close(got, expected)


def test_into_and_every_go_together():
    """While the first of two restricted flows sleeps, the other keeps its own restriction."""
    text = INTO.replace("weight: 2}", "weight: 2, into: [student], every: 2}")
    session = begin(recipe(SGD, text))
    step = stepper(session)
    step.run([batch_of(6)])
    before = {name: weights(session, name) for name in ("teacher", "student")}
    untouched = set()
    session.optimizer.register_step_pre_hook(
        lambda optimizer, args, kwargs: untouched.update(
            name
            for name in ("teacher", "student")
            if all(each.grad is None for each in session.parts[name].parameters())
        )
    )
    step.run([batch_of(6)])
    assert [loss is None for loss in step.losses] == [True, False]
    assert untouched == {"student"}
    assert changed(before["student"], weights(session)) == set()
    assert changed(before["teacher"], weights(session, "teacher"))


def test_a_ramp_weighs_the_gradient():
    flow = "{from: data.label, to: student.logits, loss: cross_entropy, weight: WEIGHT}"
    text = f"{HEAD}nodes: {{student: {{type: student, model: plain}}}}\nflows: [{flow}]\n"
    ramp = "{start: 1, end: 0, epochs: 0.2}"
    session = begin(recipe(SGD, text.replace("WEIGHT", ramp)))
    step = stepper(session)
    student = plain(session, "student")
    optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
    # 10 steps in an epoch: the ramp takes two
    for number, weight in enumerate((1.0, 0.5, 0.0)):
        batch = batch_of(4, seed=number)
        step.run([batch])
        loss = F.cross_entropy(student(normalized(session, batch["image"])), batch["label"])
        optimizer.zero_grad()
        (weight * loss).backward()
        optimizer.step()
        # what is recorded is the loss itself
        torch.testing.assert_close(step.losses[0], loss.detach())
    for got, expected in zip(
        session.parts["student"].parameters(), student.parameters(), strict=True
    ):
        torch.testing.assert_close(got, expected)


def split(batch, sizes):
    cut = [
        dict(zip(batch, each, strict=True))
        for each in zip(*(v.split(sizes) for v in batch.values()), strict=True)
    ]
    assert [len(each["label"]) for each in cut] == sizes
    return cut


@pytest.mark.parametrize("sizes", [[4, 4, 4], [5, 5, 2]])
def test_accumulated_gradients_equal_the_whole_batch(sizes):
    text = recipe(SGD, HEAD + "nodes: {student: {type: student, model: plain}}\n" + ALONE)
    whole, parts = begin(text), begin(text)
    batch = batch_of(12)
    stepper(whole).run([batch])
    stepper(parts).run(split(batch, sizes))
    for one, other in zip(
        whole.parts["student"].parameters(), parts.parts["student"].parameters(), strict=True
    ):
        # sums in another order
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)
    assert parts.step == parts.phase_step == 1


def test_gradients_are_clipped_to_the_norm():
    text = HEAD + "nodes: {student: {type: student, model: plain}}\n" + ALONE
    session = begin(recipe(f"{SGD}, clip_grad: 0.01", text))
    step = stepper(session)
    before = weights(session)
    step.run([batch_of(6)])
    after = weights(session)
    moved = torch.cat([(after[key] - before[key]).flatten() for key in before])
    # SGD moves by rate times gradient; clipping adds 1e-6 to the norm that it divides by
    assert moved.norm().item() == pytest.approx(0.1 * 0.01, rel=1e-3)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_autocast_is_close_to_float32(precision):
    found = []
    for each in ("float32", precision):
        session = begin(recipe(f"{SGD}, precision: {each}", SMALL))
        step = stepper(session)
        for number in range(3):
            step.run([batch_of(8, seed=number)])
        found.append((torch.stack(step.losses).float(), session))
    (plain_losses, _), (losses, session) = found
    assert losses.isfinite().all()
    # 8 bits of mantissa, and a few layers of rounding
    torch.testing.assert_close(losses, plain_losses, rtol=0.05, atol=0.01)
    assert not torch.equal(losses, plain_losses)
    # autocast leaves the weights as they are
    assert {each.dtype for each in session.parts["student"].parameters()} == {torch.float32}


def test_float16_gradients_are_unscaled_before_the_update():
    text = HEAD + "nodes: {student: {type: student, model: plain}}\n" + ALONE
    moves = []
    for precision in ("float32", "float16"):
        for clip in (0, 1e3):
            session = begin(recipe(f"{SGD}, precision: {precision}, clip_grad: {clip}", text))
            before = weights(session)
            stepper(session).run([batch_of(6)])
            after = weights(session)
            moves.append(torch.cat([(after[key] - before[key]).flatten() for key in before]))
    for each in moves[1:]:
        # the loss was scaled by 65536; half precision has 11 bits
        torch.testing.assert_close(each, moves[0], rtol=0.05, atol=1e-4)


def test_the_average_equals_a_hand_written_one():
    text = SMALL.replace("model: tiny}", "model: tiny, ema: 0.75}")
    session = begin(text)
    step = stepper(session)
    average = {
        key: value.clone().double() if value.is_floating_point() else value.clone()
        for key, value in weights(session).items()
    }
    for number in range(4):
        step.run([batch_of(8, seed=number)])
        for key, value in weights(session).items():
            if value.is_floating_point():
                average[key] = 0.75 * average[key] + 0.25 * value.double()
            else:
                average[key] = value
    got = session.averages["student"].module.state_dict()
    assert got.keys() == average.keys()
    for key, value in average.items():
        torch.testing.assert_close(got[key], value.to(got[key].dtype))
    assert changed(got, weights(session))


def test_any_node_may_be_averaged():
    text = SMALL.replace("args: {width: 6}}", "args: {width: 6}, ema: 0.5}")
    session = begin(text)
    assert list(session.averages) == ["teacher"]
    stepper(session, phase=0).run([batch_of(8)])
    before = {k: v.clone() for k, v in session.averages["teacher"].module.state_dict().items()}
    # where it does not learn, its average rests
    stepper(session, phase=1).run([batch_of(8)])
    assert changed(before, session.averages["teacher"].module.state_dict()) == set()


def test_phases_alternate_who_learns():
    session = begin(SMALL)
    for phase, learner, other in ((0, "teacher", "student"), (1, "student", "teacher")):
        before = {name: weights(session, name) for name in ("teacher", "student")}
        step = stepper(session, phase)
        step.run([batch_of(8)])
        assert changed(before[learner], weights(session, learner))
        assert changed(before[other], weights(session, other)) == set()
    assert PHASES in SMALL


def test_a_batch_without_labels_tells_no_loss_of_them():
    session = begin(SMALL)
    step = stepper(session)
    batch = {"image": torch.rand(4, 3, 8, 8), "index": torch.arange(4)}
    for label, known in (([-1, -1, -1, -1], False), ([-1, 2, -1, -1], True)):
        step.run([{**batch, "label": torch.tensor(label)}])
        found = dict(zip(step.names, step.portioned_losses(), strict=True))
        of_label, soft = found.values()
        assert (of_label is not None, soft is not None) == (known, True)
