"""Two blueprints of hand-made parts, and the comparison of a drawing with its stored text."""

import os
from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest
from torch import nn

from graphkd.blueprint.model import Blueprint, Data, Phase, Ramp, Train, Via
from graphkd.compile import analyse
from graphkd.component import DataSpec, ImageSpec, Port
from graphkd.components.losses import KL, MSE, CrossEntropy
from graphkd.components.models import Call
from graphkd.components.probes import Agreement
from graphkd.components.projectors import Linear
from graphkd.components.transforms import Ensemble
from graphkd.graph import Graph

EXPECTED = Path(__file__).parent / "expected"
IMAGE = ImageSpec(1, 8, 8, mean=(0.5,), std=(0.5,))


@attrs.frozen
class Squares:
    """A data set of 8 by 8 images in three classes."""

    component_kind: ClassVar = "dataset"
    component_name: ClassVar = "squares"

    def spec(self, folder: Path) -> DataSpec:
        return DataSpec(IMAGE, classes=3)


class LineNet(nn.Module):
    """Two matrices, one after the other: `early`, then `logits`."""

    def __init__(self, features: int, image: ImageSpec) -> None:
        super().__init__()
        self.image = image
        self.early = nn.Linear(64, features)
        self.head = nn.Linear(features, 3)

    def taps(self):
        return "early", "embedding", "logits"

    def layout(self, tap):
        return {"early": "b c", "embedding": "b c", "logits": "b c"}.get(tap)

    def reader(self, taps, *, stop=False):
        def read(image):
            early = self.early(image.flatten(1))
            made = {"early": early, "embedding": early, "logits": self.head(early)}
            return tuple(made[tap] for tap in taps)

        return read

    def passport(self):
        return {}

    def deliverable(self):
        return self


@attrs.frozen
class Line:
    """A model component; its classes are teachers, assistants and students."""

    component_kind: ClassVar = "model"
    component_name: ClassVar = "assistant"
    ports: ClassVar = (Port("input", "b c h w"),)
    learns: ClassVar = True
    delivered: ClassVar = False

    features: int = 4
    model: str = "line"
    has_weights: bool = False

    def build(self, site: Any) -> nn.Module:
        return LineNet(self.features, IMAGE)


@attrs.frozen
class Teacher(Line):
    component_name: ClassVar = "teacher"
    learns: ClassVar = False
    has_weights: bool = True


@attrs.frozen
class Student(Line):
    component_name: ClassVar = "student"
    delivered: ClassVar = True


@pytest.fixture
def small():
    """A teacher that learns first, then teaches."""
    made = Blueprint("small", Data(Squares(), batch_size=10), about="Soft targets")
    teacher = made.node("teacher", Teacher(8, has_weights=False))
    student = made.node("student", Student())
    made.flow(made.batch.label, teacher.logits, CrossEntropy(), phases=("teach",))
    made.flow(made.batch.label, student.logits, CrossEntropy(), weight=0.1)
    made.flow(teacher.logits, student.logits, KL(temperature=2.0), weight=0.9)
    made.phases = [Phase("teach", train=("teacher",)), Phase("distil", train=("student",))]
    made.train = Train(epochs=1, lr=0.01)
    return made


@pytest.fixture
def large():
    """Two teachers as one, an assistant, students that teach each other, features, a probe."""
    made = Blueprint("large", Data(Squares()), deliver=("student",))
    first, second = (made.node(name, Teacher(8)) for name in ("first", "second"))
    council = made.node("council", Ensemble(), input=(first.logits, second.logits))
    student, peer = (made.node(name, Student()) for name in ("student", "peer"))
    helper = made.node("assistant", Line(6))
    again = made.node("again", Call(of="student"))
    made.node("agree", Agreement(), input=(student.logits, first.logits))
    ramp = Ramp(0.0, 1.0, epochs=2.0, shape="cosine")
    made.flow(council.output, helper.logits, KL(temperature=2.0))
    made.flow(helper.logits, student.logits, KL(), weight=ramp, every=2)
    made.flow(student.logits, peer.logits, KL())
    made.flow(peer.logits, student.logits, KL(), phases=("late",), into=("student",))
    made.flow(first.early, student.early, MSE(), via=Linear())
    made.flow(second.early, student.early, MSE(), via=[Linear(5), Linear(bias=False)], name="hint")
    made.flow(second.embedding, peer.embedding, MSE(), via=Via(Linear(), on="from"))
    made.flow(made.batch.label, again.logits, CrossEntropy(), weight=0.5)
    made.phases = [Phase("early"), Phase("late")]
    return made


@pytest.fixture
def inferred():
    """Analyse a blueprint that has no mistakes."""

    def make(blueprint: Blueprint) -> Graph:
        graph = analyse(blueprint)
        assert not graph.graph["problems"]
        return graph

    return make


@pytest.fixture
def same_as_stored():
    """Compare a text with a file in `expected/`.

    With UPDATE_EXPECTED=1 in the environment the file is written instead; look at it then, at an
    SVG in a browser.
    """

    def compare(text: str, name: str) -> None:
        file = EXPECTED / name
        if os.environ.get("UPDATE_EXPECTED"):
            file.write_text(text + "\n", encoding="utf-8")
        assert text + "\n" == file.read_text(encoding="utf-8")

    return compare
