"""With passes and without them a run computes the same, bit for bit."""

import pytest
import torch
from torch import nn

from graphkd.blueprint import loads
from graphkd.compile import compile_blueprint
from graphkd.run import train
from graphkd.run.executor import PhaseModule
from graphkd.run.optim import make_optimizer
from graphkd.run.session import start_session
from graphkd.run.step import PhaseStep

HEAD = """\
blueprint: test
data: {dataset: fake, size: 16}
train: {optimizer: sgd, lr: 0.05, weight_decay: 0.1, schedule: constant}
"""
BLUEPRINTS = {
    # nobody needs the call in `p`, where its owner learns; nobody needs `other` in `q`
    "calls": """\
nodes:
  student: {type: student, model: tiny, args: {dropout: 0.5}}
  other: {type: assistant, model: tiny, args: {dropout: 0.5}}
  again: {type: call, of: student}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy}
  - {from: data.label, to: other.logits, loss: cross_entropy, phases: [p]}
  - {from: student.logits, to: again.logits, loss: kl, phases: [q]}
phases: [{name: p, train: [student, other]}, {name: q}]
""",
    # the gradient comes to the student through a frozen model and a call of another
    "frozen in the way": """\
nodes:
  teacher: {type: teacher, model: tiny}
  student: {type: student, model: tiny, args: {dropout: 0.5}}
  judge: {type: teacher, model: tiny, channels: 4, input: student.stage1}
  again: {type: call, of: teacher}
  mean: {type: ensemble, input: [teacher.logits, again.logits]}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy, phases: [p]}
  - {from: mean, to: judge.logits, loss: kl, phases: [q]}
  - {from: again.stage2, to: student.stage3, loss: mse, via: [conv1x1, resize], phases: [q]}
phases: [{name: p, train: [teacher]}, {name: q, train: [student]}]
""",
}


def batches():
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        yield {
            "image": torch.rand(4, 3, 16, 16, generator=generator),
            "label": torch.randint(10, (4,), generator=generator),
            "index": torch.arange(4),
        }


def trained(text, without=()):
    """Run all phases; return the losses of each step and the weights at the end."""
    schedule = compile_blueprint(loads(HEAD + text), without=without)
    session = start_session(schedule, seed=0, device=torch.device("cpu"))
    losses = []
    for plan in schedule.phases:
        torch.manual_seed(0)
        module = PhaseModule(plan, session.parts)
        module.activate()
        session.optimizer = make_optimizer(plan, session.parts)
        step = PhaseStep(plan, session, module, steps_per_epoch=3)
        for batch in batches():
            step.run([batch])
            losses.append([loss.item() for loss in step.losses])
        module.close()
    modules = {n: part for n, part in session.parts.items() if isinstance(part, nn.Module)}
    return losses, {name: module.state_dict() for name, module in modules.items()}


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_without_a_pass_all_stays_the_same(name):
    losses, weights = trained(BLUEPRINTS[name])
    for without in (("prune",), ("share",), ("fuse",), ("prune", "share", "fuse")):
        others, found = trained(BLUEPRINTS[name], without)
        assert others == losses
        for node, state in weights.items():
            assert all(torch.equal(state[key], found[node][key]) for key in state), node


def test_without_a_pass_what_is_fitted_is_asked_only_where_it_is_needed(tmp_path):
    text = """\
blueprint: test
data: {dataset: fake, size: 8, samples: 24, batch_size: 8, classes: 4}
nodes:
  teacher: {type: teacher, model: tiny}
  student: {type: student, model: tiny}
  memory: {type: recall, input: teacher.embedding}
  means: {type: class_means, input: teacher.embedding}
  both: {type: concat, input: [memory, means]}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy}
  - {from: data.label, to: student.logits, loss: cross_entropy}
  - {from: both, to: student.embedding, loss: mse, via: linear}
phases:
  - {name: teach, train: [teacher]}
  - {name: survey, fit: [means]}
  - {name: keep, fit: [memory]}
  - {name: learn, train: [student]}
train: {epochs: 1, device: cpu}
"""
    runs = [
        train(loads(text), out=tmp_path / f"{number}", without=without)
        for number, without in enumerate([(), ("prune",)])
    ]
    assert runs[0].evaluations == runs[1].evaluations


def test_a_frozen_model_passes_gradient_and_keeps_none():
    schedule = compile_blueprint(loads(HEAD + BLUEPRINTS["frozen in the way"]))
    session = start_session(schedule, seed=0, device=torch.device("cpu"))
    module = PhaseModule(schedule.phases[1], session.parts)
    module.activate()
    outcome = module(next(batches()), [1.0, 0.0])
    sum(outcome.totals).backward()
    stage1 = session.parts["student"].deliverable().stage1
    assert all(each.grad.abs().sum() > 0 for each in stage1.parameters())
    frozen = [*session.parts["judge"].parameters(), *session.parts["teacher"].parameters()]
    assert all(each.grad is None for each in frozen)
