"""What the tests of the compiler's mistakes share: pieces of blueprints, and what is told."""

import pytest

from graphkd.blueprint import Blueprint, Data, loads
from graphkd.compile import compile_blueprint
from graphkd.component import find
from graphkd.errors import BlueprintError

HEAD = """\
blueprint: test
data: {dataset: fake, size: 16}
"""
STUDENT = """\
nodes:
  student: {type: student, model: tiny}
"""
PAIR = """\
nodes:
  teacher: {type: teacher, model: tiny}
  student: {type: student, model: tiny}
"""
LABELS = """\
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy}
"""
TEACHER_LABELS = """\
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy}
"""
BOTH = "phases: [{name: both, train: [teacher, student]}]\n"


def problems(text, head=HEAD):
    return found_in(loads(head + text, name="t.yaml"))


def found_in(blueprint):
    with pytest.raises(BlueprintError) as raised:
        compile_blueprint(blueprint)
    return [str(each) for each in raised.value.problems]


def begun():
    """Begin a blueprint in Python; return it with its student."""
    blueprint = Blueprint("test", Data(find("dataset", "fake")(size=16)))
    return blueprint, blueprint.node("student", find("model", "student")(model="tiny"))
