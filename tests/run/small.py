"""A small blueprint that runs in half a second, for tests of the run."""

from pathlib import Path

import torch

from graphkd.blueprint import Blueprint, load, loads
from graphkd.compile import compile_blueprint
from graphkd.run.executor import PhaseModule
from graphkd.run.optim import make_optimizer, make_scheduler
from graphkd.run.session import Session, start_session
from graphkd.run.step import PhaseStep

NODES = """\
nodes:
  teacher: {type: teacher, model: tiny, args: {width: 6}}
  student: {type: student, model: tiny}
"""
FLOWS = """\
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy, phases: [teach]}
  - {from: data.label, to: student.logits, loss: cross_entropy, weight: 0.1}
  - {from: teacher.logits, to: student.logits, loss: kl, temperature: 2, weight: 0.9}
"""
PHASES = "phases: [{name: teach, train: [teacher]}, {name: distil, train: [student]}]\n"
# 40 training images and 8 each for validation and test; 3 batches of an epoch
HEAD = """\
blueprint: small
data: {dataset: fake, size: 8, samples: 40, batch_size: 16, classes: 4}
train: {epochs: 2, log_every: 2, lr: 3e-3, device: cpu}
"""
SMALL = HEAD + NODES + FLOWS + PHASES


def small(folder: Path, *overrides: str, text: str = SMALL) -> Blueprint:
    """Write the blueprint into a folder, and load it."""
    file = folder / "small.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file, overrides)


def begin(text: str = SMALL, *, seed: int = 0) -> Session:
    """Compile a blueprint and build its modules."""
    schedule = compile_blueprint(loads(text))
    return start_session(schedule, seed=seed, device=torch.device("cpu"))


def stepper(session: Session, phase: int = -1, *, steps: int = 100) -> PhaseStep:
    """Make what does the steps of a phase, as the loop does."""
    plan = session.schedule.phases[phase]
    module = PhaseModule(plan, session.parts)
    module.activate()
    session.optimizer = make_optimizer(plan, session.parts)
    session.scheduler = make_scheduler(
        session.optimizer, plan.recipe, total_steps=steps, steps_per_epoch=10
    )
    if plan.recipe.precision == "float16":
        session.scaler = torch.amp.GradScaler("cpu")
    return PhaseStep(plan, session, module, steps_per_epoch=10)


def batch_of(count: int, *, seed: int = 0, size: int = 8, classes: int = 4):
    """Make a batch of noise."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "image": torch.rand(count, 3, size, size, generator=generator),
        "label": torch.randint(classes, (count,), generator=generator),
        "index": torch.arange(count),
    }
