"""What is measured: two networks, distilled by logits and by three taps a side."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Protocol

import attrs
import torch
from torch import Tensor, nn

from graphkd.bench.models import Staged
from graphkd.blueprint import loads
from graphkd.compile import compile_blueprint
from graphkd.compile.plan import PhasePlan
from graphkd.run.backwards import Batch
from graphkd.run.session import Session, start_session

HARD, SOFT, HINT = 0.1, 0.9, 0.5
"""Weights of the labels, of the teacher's logits, and of each tap."""
TEMPERATURE = 4.0
LR, MOMENTUM = 1e-3, 0.9
BATCH_SIZE = 32
STAGES = ("stage1", "stage2", "stage3")

BLUEPRINT = """\
blueprint: bench
data: {{dataset: fake, size: 8}}
nodes:
  teacher: {{type: teacher, model: {model}}}
  student: {{type: student, model: {model}}}
flows:
  - {{from: data.label, to: teacher.logits, loss: cross_entropy, phases: [teach]}}
  - {{from: data.label, to: student.logits, loss: cross_entropy, weight: {hard}}}
  - {{from: teacher.logits, to: student.logits, loss: kl, temperature: {t}, weight: {soft}}}
{hints}phases: [{{name: teach, train: [teacher]}}, {{name: distil, train: [student]}}]
train: {{optimizer: sgd, lr: {lr}, momentum: {momentum}, weight_decay: 0, schedule: constant}}
"""
HINTS = "  - {{from: teacher.{tap}, to: student.{tap}, loss: mse, weight: {weight}}}\n"


@attrs.frozen
class Case:
    """One computation, done by every contestant.

    Attributes:
        name: `mlp, 3 taps`.
        model: name of the registered network of teacher and student.
        hints: whether the three stages are matched too.
    """

    name: str
    model: str
    hints: bool

    def start(self) -> Start:
        """Compile the case and build its networks, with the same weights every time."""
        hints = [HINTS.format(tap=tap, weight=HINT) for tap in STAGES] if self.hints else []
        text = BLUEPRINT.format(
            model=self.model,
            hints="".join(hints),
            hard=HARD,
            soft=SOFT,
            t=TEMPERATURE,
            lr=LR,
            momentum=MOMENTUM,
        )
        schedule = compile_blueprint(loads(text))
        return Start(start_session(schedule, seed=0, device=torch.device("cpu")), self.hints)


CASES = (
    Case("mlp, logits", "bench_mlp", hints=False),
    Case("mlp, logits and 3 taps", "bench_mlp", hints=True),
    Case("cnn, logits", "bench_cnn", hints=False),
    Case("cnn, logits and 3 taps", "bench_cnn", hints=True),
)


@attrs.frozen
class Start:
    """Where every contestant of a case begins.

    Attributes:
        session: the compiled case with its modules.
        hints: whether the three stages are matched too.
    """

    session: Session
    hints: bool

    @property
    def plan(self) -> PhasePlan:
        """The phase in which the student learns."""
        return self.session.schedule.phases[-1]

    def network(self, name: str) -> Staged:
        """Copy one of the two networks, without anything of graphkd around it."""
        network = copy.deepcopy(self.session.parts[name].deliverable())
        assert isinstance(network, Staged)
        return network

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of the images, each "1 c 1 1"."""
        image = self.session.schedule.graph.graph["data_spec"].image
        return (
            torch.tensor(image.mean).view(1, -1, 1, 1),
            torch.tensor(image.std).view(1, -1, 1, 1),
        )


class Contestant(Protocol):
    """One way to run a case."""

    @property
    def student(self) -> nn.Module:
        """The plain network that learns."""
        ...

    def run(self, batches: Sequence[Batch]) -> None:
        """Do one optimizer step for each batch."""
        ...

    def loss(self) -> Tensor:
        """Return the weighted sum of losses of the last step."""
        ...


def make_batches(count: int) -> list[Batch]:
    """Make batches that lie ready on the device, as after a loader.

    Args:
        count: number of batches, at least 1.
    """
    generator = torch.Generator().manual_seed(0)
    return [
        {
            "image": torch.rand(BATCH_SIZE, 3, 8, 8, generator=generator),
            "label": torch.randint(10, (BATCH_SIZE,), generator=generator),
            "index": torch.arange(BATCH_SIZE),
        }
        for _ in range(count)
    ]
