"""The schedule computes what a plain hand-written PyTorch loop computes, bit for bit."""

import copy

import pytest
import torch
import torch.nn.functional as F

from graphkd.blueprint import loads
from graphkd.compile import compile_blueprint
from graphkd.run.executor import PhaseModule
from graphkd.run.optim import make_optimizer
from graphkd.run.session import start_session
from graphkd.run.step import PhaseStep

STEPS = 20
HEAD = """\
blueprint: test
data: {dataset: fake, size: 16}
train: {optimizer: sgd, lr: 0.05, momentum: 0.9, weight_decay: 0, schedule: constant}
"""


def batches():
    generator = torch.Generator().manual_seed(0)
    for _ in range(STEPS):
        yield {
            "image": torch.rand(8, 3, 16, 16, generator=generator),
            "label": torch.randint(10, (8,), generator=generator),
            "index": torch.arange(8),
        }


def start(text, without=()):
    schedule = compile_blueprint(loads(HEAD + text), without=without)
    session = start_session(schedule, seed=0, device=torch.device("cpu"))
    return schedule, session


def run_schedule(schedule, session, phase=-1):
    plan = schedule.phases[phase]
    session.optimizer = make_optimizer(plan, session.parts)
    module = PhaseModule(plan, session.parts)
    module.activate()
    step = PhaseStep(plan, session, module, steps_per_epoch=STEPS)
    losses = []
    for batch in batches():
        step.run([batch])
        losses.append([loss.clone() for loss in step.losses])
    return losses


def plain(session, name):
    """Copy a network's own module, as a hand-written loop would have built it."""
    return copy.deepcopy(session.parts[name].deliverable())


def sgd(*modules):
    parameters = [p for module in modules for p in module.parameters()]
    return torch.optim.SGD(parameters, lr=0.05, momentum=0.9, nesterov=True)


def normalized(session, image):
    spec = session.schedule.graph.graph["data_spec"].image
    mean = torch.tensor(spec.mean).view(1, -1, 1, 1)
    return (image - mean) / torch.tensor(spec.std).view(1, -1, 1, 1)


def assert_same(session, name, module):
    for (key, ours), (_, theirs) in zip(
        session.parts[name].deliverable().state_dict().items(),
        module.state_dict().items(),
        strict=True,
    ):
        assert torch.equal(ours, theirs), key


def kd(student, teacher, temperature):
    return (
        F.kl_div(
            F.log_softmax(student / temperature, dim=1),
            F.softmax(teacher / temperature, dim=1),
            reduction="batchmean",
        )
        * temperature**2
    )


KD = """\
nodes:
  teacher: {type: teacher, model: tiny, args: {width: 8}}
  student: {type: student, model: tiny}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy, phases: [teach]}
  - {from: data.label, to: student.logits, loss: cross_entropy, weight: 0.1}
  - {from: teacher.logits, to: student.logits, loss: kl, temperature: 4, weight: 0.9}
phases: [{name: teach, train: [teacher]}, {name: distil, train: [student]}]
"""


@pytest.mark.parametrize(
    "without", [(), ("prune",), ("share",), ("fuse",), ("prune", "share", "fuse")]
)
def test_logit_distillation(without):
    schedule, session = start(KD, without)
    teacher, student = plain(session, "teacher").eval(), plain(session, "student")
    optimizer = sgd(student)
    expected = []
    for batch in batches():
        image = normalized(session, batch["image"])
        with torch.no_grad():
            knowledge = teacher(image)
        logits = student(image)
        hard = F.cross_entropy(logits, batch["label"])
        soft = kd(logits, knowledge, 4.0)
        (0.1 * hard + 0.9 * soft).backward()
        optimizer.step()
        optimizer.zero_grad()
        expected.append([hard.detach(), soft.detach()])
    assert run_schedule(schedule, session) == expected
    assert_same(session, "student", student)
    assert_same(session, "teacher", teacher)


def test_fitnets():
    schedule, session = start("""\
nodes:
  teacher: {type: teacher, model: tiny, args: {width: 8}}
  student: {type: student, model: tiny}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy, phases: [teach]}
  - {from: data.label, to: student.logits, loss: cross_entropy}
  - {from: teacher.stage2, to: student.stage2, loss: mse, via: conv1x1, weight: 2}
phases: [{name: teach, train: [teacher]}, {name: distil, train: [student]}]
""")
    teacher, student = plain(session, "teacher").eval(), plain(session, "student")
    (regressor,) = [part for name, part in session.parts.items() if "conv1x1" in name]
    regressor = copy.deepcopy(regressor)
    optimizer = sgd(student, regressor)
    expected = []
    for batch in batches():
        image = normalized(session, batch["image"])
        with torch.no_grad():
            knowledge = teacher.stage2(teacher.stage1(image))
        features = student.stage2(student.stage1(image))
        logits = student.fc(student.dropout(student.stage3(features).mean((2, 3))))
        hard = F.cross_entropy(logits, batch["label"])
        hint = F.mse_loss(regressor(features), knowledge)
        (hard + 2 * hint).backward()
        optimizer.step()
        optimizer.zero_grad()
        expected.append([hard.detach(), hint.detach()])
    assert run_schedule(schedule, session) == expected
    assert_same(session, "student", student)


def test_two_teachers_and_an_assistant():
    schedule, session = start("""\
nodes:
  big: {type: teacher, model: tiny, args: {width: 8}}
  wide: {type: teacher, model: tiny, args: {width: 12}}
  mean: {type: ensemble, input: [big.logits, wide.logits]}
  assistant: {type: assistant, model: tiny, args: {width: 6}}
  student: {type: student, model: tiny}
flows:
  - {from: data.label, to: big.logits, loss: cross_entropy, phases: [teach]}
  - {from: data.label, to: wide.logits, loss: cross_entropy, phases: [teach]}
  - {from: mean, to: assistant.logits, loss: kl, temperature: 2}
  - {from: mean, to: student.logits, loss: kl, temperature: 2}
  - {from: assistant.logits, to: student.logits, loss: kl, temperature: 2, weight: 0.5}
phases: [{name: teach, train: [big, wide]}, {name: distil, train: [assistant, student]}]
""")
    big, wide = plain(session, "big").eval(), plain(session, "wide").eval()
    assistant, student = plain(session, "assistant"), plain(session, "student")
    mean = session.parts["mean"]
    optimizer = sgd(assistant, student)
    expected = []
    for batch in batches():
        image = normalized(session, batch["image"])
        with torch.no_grad():
            knowledge = mean(big(image), wide(image))
        helped, logits = assistant(image), student(image)
        losses = [
            kd(helped, knowledge, 2.0),
            kd(logits, knowledge, 2.0),
            kd(logits, helped.detach(), 2.0),
        ]
        (losses[0] + losses[1] + 0.5 * losses[2]).backward()
        optimizer.step()
        optimizer.zero_grad()
        expected.append([loss.detach() for loss in losses])
    assert run_schedule(schedule, session) == expected
    assert_same(session, "assistant", assistant)
    assert_same(session, "student", student)


def test_gradients_without_an_update():
    schedule, session = start(KD)
    teacher, student = plain(session, "teacher").eval(), plain(session, "student")
    plan = schedule.phases[1]
    module = PhaseModule(plan, session.parts)
    module.activate()
    batch = next(batches())
    (total,) = module(batch, [0.1, 0.9]).totals
    total.backward()
    image = normalized(session, batch["image"])
    logits = student(image)
    loss = 0.1 * F.cross_entropy(logits, batch["label"]) + 0.9 * kd(
        logits, teacher(image).detach(), 4.0
    )
    loss.backward()
    ours = session.parts["student"].deliverable()
    for parameter, expected in zip(ours.parameters(), student.parameters(), strict=True):
        assert torch.equal(parameter.grad, expected.grad)
    for parameter in session.parts["teacher"].parameters():
        assert parameter.grad is None
