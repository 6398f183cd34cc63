"""Pairs of timm models that are distilled by logits on a GPU, and the ways to do it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import attrs
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from timm import create_model
from timm.task import LogitDistillationTask
from torch import Tensor, nn

from graphkd.bench.cases import HARD, LR, MOMENTUM, SOFT, TEMPERATURE
from graphkd.blueprint import loads
from graphkd.compile import compile_blueprint
from graphkd.run.executor import PhaseModule
from graphkd.run.optim import make_optimizer
from graphkd.run.session import Session, start_session
from graphkd.run.step import Batch, PhaseStep, autocast_of

CLASSES = 1000
BLUEPRINT = """\
blueprint: bench
data: {{dataset: fake, size: {size}, classes: {classes}, batch_size: {batch}}}
nodes:
  teacher: {{type: teacher, model: timm/{teacher}, weights: teacher.safetensors{placed}}}
  student: {{type: student, model: timm/{student}}}
flows:
  - {{from: data.label, to: student.logits, loss: cross_entropy, weight: {hard}}}
  - {{from: teacher.logits, to: student.logits, loss: kl, temperature: {t}, weight: {soft}}}
train:
  {{optimizer: sgd, lr: {lr}, momentum: {momentum}, weight_decay: 0, schedule: constant,
   precision: {precision}, streams: {streams}}}
"""


@attrs.frozen
class GpuCase:
    """Two models of timm.

    Attributes:
        teacher: its name in timm.
        student: its name in timm.
        batch: images in a batch.
        size: their height and width in pixels.
        precision: of the recipe.
    """

    teacher: str
    student: str
    batch: int
    size: int = 224
    precision: str = "bfloat16"

    @property
    def name(self) -> str:
        """Name the case as tables do."""
        return f"{self.teacher} -> {self.student}"

    def start(
        self, folder: Path, device: torch.device, *, placed: str = "", streams: bool = False
    ) -> Session:
        """Compile the case and build its networks, with the same weights every time.

        Args:
            folder: where the teacher's weights are kept.
            device: where all is.
            placed: further keys of the teacher, after a comma.
            streams: whether the teacher runs on the side stream.
        """
        file = folder / "teacher.safetensors"
        if not file.exists():
            torch.manual_seed(0)
            save_file(create_model(self.teacher, num_classes=CLASSES).state_dict(), file)
        text = BLUEPRINT.format(
            **attrs.asdict(self),
            classes=CLASSES,
            placed=placed,
            streams=str(streams).lower(),
            hard=HARD,
            soft=SOFT,
            t=TEMPERATURE,
            lr=LR,
            momentum=MOMENTUM,
        )
        blueprint = attrs.evolve(loads(text), folder=folder)
        return start_session(compile_blueprint(blueprint), seed=0, device=device)

    def batches(self, count: int, device: torch.device) -> list[Batch]:
        """Make batches that lie ready on the device, of noise in [0, 1]."""
        torch.manual_seed(1)
        shape = (self.batch, 3, self.size, self.size)
        return [
            {
                "image": torch.rand(shape).to(device),
                "label": torch.randint(CLASSES, (self.batch,)).to(device),
                "index": torch.arange(self.batch).to(device),
            }
            for _ in range(count)
        ]


CASES = (
    GpuCase("resnet34", "resnet18", batch=256),
    GpuCase("vit_large_patch16_224", "vit_small_patch16_224", batch=64),
)


class ByHand:
    """The loop that a careful person writes, or one that computes its loss by timm's task."""

    def __init__(self, session: Session, *, by_task: bool = False) -> None:
        plan = session.schedule.phases[0]
        parts = session.parts
        self.teacher = copy.deepcopy(parts["teacher"].deliverable()).eval().requires_grad_(False)
        self.student: nn.Module = copy.deepcopy(parts["student"].deliverable()).train()
        image = parts["student"].image
        self.mean, self.std = (
            torch.tensor(each, device=session.device).view(1, -1, 1, 1)
            for each in (image.mean, image.std)
        )
        self.precision = autocast_of(session.device, plan.recipe.precision)
        self.optimizer = torch.optim.SGD(
            self.student.parameters(), lr=LR, momentum=MOMENTUM, nesterov=True
        )
        self.task = _task(self.student, self.teacher, session.device) if by_task else None

    def run(self, batches: Sequence[Batch]) -> None:
        """Do one optimizer step for each batch."""
        for batch in batches:
            image = (batch["image"] - self.mean) / self.std
            with self.precision:
                loss = self._loss(image, batch["label"])
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)

    def _loss(self, image: Tensor, label: Tensor) -> Tensor:
        if self.task is not None:
            loss: Tensor = self.task(image, label)["loss"]
            return loss
        with torch.no_grad():
            knowledge = self.teacher(image)
        logits = self.student(image)
        log_student = F.log_softmax(logits / TEMPERATURE, dim=-1)
        softened = F.softmax(knowledge / TEMPERATURE, dim=-1)
        soft = F.kl_div(log_student, softened, reduction="batchmean") * TEMPERATURE**2
        return HARD * F.cross_entropy(logits, label) + SOFT * soft


def _task(student: nn.Module, teacher: nn.Module, device: torch.device) -> nn.Module:
    task: nn.Module = LogitDistillationTask(
        student,
        teacher,
        criterion=nn.CrossEntropyLoss(),
        distill_loss_weight=SOFT,
        task_loss_weight=HARD,
        temperature=TEMPERATURE,
        device=device,
        verbose=False,
    )
    return task


class ByGraph:
    """What `graphkd train` runs, without its loader and its log."""

    def __init__(self, session: Session) -> None:
        plan = session.schedule.phases[0]
        session.optimizer = make_optimizer(plan, session.parts)
        module = PhaseModule(plan, session.parts)
        module.activate()
        self.step = PhaseStep(plan, session, module, steps_per_epoch=1000)
        self.student: nn.Module = session.parts["student"].deliverable()

    def run(self, batches: Sequence[Batch]) -> None:
        """Do one optimizer step for each batch."""
        for batch in batches:
            self.step.run([batch])
