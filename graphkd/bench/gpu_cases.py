"""What is measured on a GPU: methods, each a blueprint and a loop written by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import torch
from safetensors.torch import save_file
from timm import create_model

from graphkd.bench.cases import HARD, LR, MOMENTUM, SOFT, TEMPERATURE
from graphkd.bench.gpu_by_hand import Writer, by_logits
from graphkd.bench.gpu_gpd import by_dynamic_teacher
from graphkd.bench.gpu_tas import by_assistant
from graphkd.blueprint import loads
from graphkd.compile import compile_blueprint
from graphkd.run.backwards import Batch
from graphkd.run.session import Session, start_session

CLASSES = 1000
TIMM, LOW_TEACHER = "timm's task", "graphkd, bfloat16 teacher"
"""Contestants that do not take part everywhere."""

# further nodes, then flows; that of TAS and GPD are the shipped blueprints' last phases
LOGITS = f"""\
flows:
  - {{from: data.label, to: student.logits, loss: cross_entropy, weight: {HARD}}}
  - from: teacher.logits
    to: student.logits
    loss: kl
    temperature: {TEMPERATURE}
    weight: {SOFT}
"""
TAS = """\
  assistant: {type: hybrid_assistant, early: student.stage3, late: teacher.stage4}
flows:
  - {from: data.label, to: assistant.logits, loss: cross_entropy}
  - {from: data.label, to: student.logits, loss: cross_entropy, weight: 2}
  - {from: teacher.logits, to: assistant.logits, loss: ofa, nontarget_power: false}
  - {from: assistant.logits, to: student.logits, loss: ofa, nontarget_power: false}
  - {from: teacher.logits, to: student.logits, loss: ofa, nontarget_power: false}
  - {from: teacher.embedding, to: assistant.embedding, loss: infonce, anchor: teacher}
  - {from: assistant.embedding, to: student.embedding, loss: infonce, anchor: teacher, via: linear}
  - {from: teacher.embedding, to: student.embedding, loss: infonce, anchor: teacher, via: linear}
"""
GPD = """\
  dynamic: {type: dynamic_teacher, of: student, expand: 2, branches: 6}
flows:
  - {from: data.label, to: dynamic.logits, loss: cross_entropy}
  - {from: data.label, to: student.logits, loss: cross_entropy}
  - {from: teacher.logits, to: dynamic.logits, loss: dkd, temperature: 1, alpha: 1, beta: 0.5}
  - {from: teacher.logits, to: student.logits, loss: dkd, temperature: 1, alpha: 1, beta: 0.5}
  - {from: dynamic.logits, to: student.logits, loss: soft_cross_entropy, smoothing: 0.1, weight: 3}
"""


@attrs.frozen
class GpuCase:
    """A method with two models of timm.

    Attributes:
        method: what tables call it.
        graph: its nodes beside teacher and student, and its flows, as a blueprint has them.
        by_hand: writes the same computation without graphkd.
        teacher: its name in timm.
        student: its name in timm.
        batch: images in a batch.
        teacher_args: of the teacher's constructor.
        recipe: what the method adds to the recipe.
        size: height and width of the images in pixels, as both models take them.
        precision: of the recipe.
        left_out: contestants that do not take part, each with the reason.
    """

    method: str
    graph: str
    by_hand: Writer
    teacher: str
    student: str
    batch: int
    teacher_args: Mapping[str, Any] = attrs.field(factory=dict)
    recipe: Mapping[str, Any] = attrs.field(factory=dict)
    size: int = 224
    precision: str = "bfloat16"
    left_out: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def name(self) -> str:
        """Name the case as tables do."""
        return f"{self.method}, {self.teacher} -> {self.student}"

    def start(
        self,
        folder: Path,
        device: torch.device,
        *,
        placed: Mapping[str, Any] | None = None,
        train: Mapping[str, Any] | None = None,
    ) -> Session:
        """Compile the case and build its networks, with the same weights every time.

        Args:
            folder: where the teacher's weights are kept.
            device: where all is.
            placed: further keys of the teacher.
            train: further keys of the recipe.
        """
        file = folder / "teacher.safetensors"
        if not file.exists():
            torch.manual_seed(0)
            teacher = create_model(self.teacher, num_classes=CLASSES, **self.teacher_args)
            save_file(teacher.state_dict(), file)
        text = self._blueprint(placed=placed or {}, train=train or {})
        blueprint = attrs.evolve(loads(text), folder=folder)
        return start_session(compile_blueprint(blueprint), seed=0, device=device)

    def _blueprint(self, *, placed: Mapping[str, Any], train: Mapping[str, Any]) -> str:
        data = {"dataset": "fake", "size": self.size, "classes": CLASSES, "batch_size": self.batch}
        model = {"model": f"timm/{self.teacher}", "args": self.teacher_args}
        teacher = {"type": "teacher", **model, "weights": "teacher.safetensors", **placed}
        student = {"type": "student", "model": f"timm/{self.student}"}
        optimizer = {"optimizer": "sgd", "lr": LR, "momentum": MOMENTUM, "weight_decay": 0}
        course = {"schedule": "constant", "precision": self.precision}
        return (
            f"blueprint: bench\ndata: {json.dumps(data)}\nnodes:\n"
            f"  teacher: {json.dumps(teacher)}\n  student: {json.dumps(student)}\n{self.graph}"
            f"train: {json.dumps({**optimizer, **course, **self.recipe, **train})}\n"
        )

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


_NO_TASK = "timm has no task of this kind"
CASES = (
    GpuCase("logits", LOGITS, by_logits, "resnet34", "resnet18", batch=256),
    GpuCase(
        "logits", LOGITS, by_logits, "vit_large_patch16_224", "vit_small_patch16_224", batch=64
    ),
    GpuCase(
        "TAS",
        TAS,
        by_assistant,
        "vit_small_patch16_224",
        "resnet18",
        batch=128,
        teacher_args={"class_token": False, "global_pool": "avg"},
        left_out={TIMM: _NO_TASK, LOW_TEACHER: "the assistant runs modules of the teacher"},
    ),
    GpuCase(
        "GPD",
        GPD,
        by_dynamic_teacher,
        "resnet34",
        "resnet18",
        batch=128,
        recipe={"clip_grad": 5},
        left_out={TIMM: _NO_TASK},
    ),
)
