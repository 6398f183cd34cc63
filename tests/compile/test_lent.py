"""Fields that refer to other nodes: what they lend, what they read, and what only a fit reads."""

from typing import ClassVar

import attrs
import pytest
from torch import nn

from graphkd.blueprint import loads
from graphkd.compile import compile_blueprint
from graphkd.compile.instructions import Fit, Forward, Loss
from graphkd.component import Port, component
from graphkd.errors import BlueprintError
from graphkd.graph import edges_into

HEAD = """\
blueprint: lent
data: {dataset: fake, size: 8, samples: 40, batch_size: 16, classes: 4}
nodes:
  teacher: {type: teacher, model: tiny, args: {width: 6}}
  student: {type: student, model: tiny}
"""
TEACH = "{from: data.label, to: teacher.logits, loss: cross_entropy, phases: [teach]}"
LEARN = "{from: data.label, to: student.logits, loss: cross_entropy}"
PHASES = "phases: [{name: teach, train: [teacher]}, {name: learn, train: [student]}]\n"


@component("projector", "scaled_like")
@attrs.frozen
class ScaledLike:
    """Multiply by the mean weight of another node's model.

    Attributes:
        by: the node.
    """

    ports: ClassVar = (Port("input", "b c"),)
    by: str = attrs.field(metadata={"reference": "node"})

    def build(self, site):
        class Scaled(nn.Module):
            def forward(self, value):
                return value * next(site.modules["by"].parameters()).mean()

        return Scaled()


@component("transform", "halved")
@attrs.frozen
class Halved:
    """Half of a tap of another node.

    Attributes:
        source: the tap.
    """

    ports: ClassVar = (Port("source", "b d"),)
    source: str = attrs.field(metadata={"reference": "tap"})

    def build(self, site):
        assert site.modules["source"].layout("logits")

        class Half(nn.Module):
            def forward(self, value):
                return value / 2

        return Half()


def compiled(flow="", nodes=""):
    flows = "".join(f"  - {each}\n" for each in (TEACH, LEARN, flow) if each)
    return compile_blueprint(loads(f"{HEAD}{nodes}flows:\n{flows}{PHASES}", name="t.yaml"))


def problems(**parts):
    with pytest.raises(BlueprintError) as caught:
        compiled(**parts)
    return [str(each) for each in caught.value.problems]


def test_a_tap_field_reads_the_tap_and_borrows_the_node():
    schedule = compiled(
        "{from: half, to: student.embedding, loss: mse, via: linear}",
        "  half: {type: halved, source: teacher.embedding}\n",
    )
    found = edges_into(schedule.graph, "half")
    assert {(source, edge.kind, edge.port) for source, edge in found} == {
        ("teacher", "weights", "source"),
        ("teacher", "signal", "source"),
    }
    forward = next(
        each
        for each in schedule.phases[1].instructions
        if isinstance(each, Forward) and each.node == "half"
    )
    assert [read.value for read in forward.reads] == ["teacher.embedding"]


def test_a_tap_field_names_its_place():
    assert problems(nodes="  half: {type: halved, source: techer.embedding}\n")[0] == (
        "t.yaml:6:32: node 'half': no node 'techer'; did you mean 'teacher'?"
    )
    (said,) = problems(
        flow="{from: half, to: student.embedding, loss: mse, via: linear}",
        nodes="  half: {type: halved, source: teacher.embeding}\n",
    )
    assert said.startswith("t.yaml:6:32: node 'half': no tap 'embeding' on 'teacher'")


def test_a_projector_of_a_flow_borrows_too():
    schedule = compiled(
        "{from: teacher.logits, to: student.logits, loss: mse,"
        " via: {type: scaled_like, by: teacher}}"
    )
    found = edges_into(schedule.graph, "flow3_scaled_like", "weights")
    assert [(source, edge.tap) for source, edge in found] == [("teacher", "by")]


def test_a_projector_of_a_flow_that_borrows_from_nobody():
    found = problems(
        flow="{from: teacher.logits, to: student.logits, loss: mse,"
        " via: {type: scaled_like, by: us}}"
    )
    assert found == ["t.yaml:9:64: flow 3: no node 'us' (has teacher, student)"]


FITTED = "  centres: {type: class_means, input: teacher.embedding}\n"


def test_a_port_of_the_fit_is_read_by_the_fit_alone():
    phases = PHASES.replace("{name: learn", "{name: survey, fit: [centres]}, {name: learn")
    flow = "{from: centres, to: student.embedding, loss: mse, via: linear, phases: [learn]}"
    text = f"{HEAD}{FITTED}flows:\n  - {TEACH}\n  - {LEARN}\n  - {flow}\n{phases}"
    schedule = compile_blueprint(loads(text))
    survey, learn = schedule.phases[1:]
    fits = [each for each in survey.instructions if isinstance(each, Fit)]
    assert [[read.value for read in each.reads] for each in fits] == [
        ["teacher.embedding", "data.label"]
    ]
    forwards = {each.node: each for each in learn.instructions if isinstance(each, Forward)}
    assert [read.value for read in forwards["centres"].reads] == ["data.label"]
    # nobody else reads the teacher, so that it is not run
    assert "teacher" not in forwards


def test_an_evaluation_measures_logits_that_mean_something():
    flow = "{from: teacher.embedding, to: student.embedding, loss: mse, via: linear}"
    taught = f"{HEAD}flows:\n  - {TEACH}\n  - {LEARN}\n  - {flow}\n{PHASES}"
    hinted = (
        f"{HEAD}flows:\n  - {{from: student.embedding, to: teacher.embedding, loss: mse,"
        f" via: linear, phases: [teach]}}\n  - {LEARN}\n  - {flow}\n{PHASES}"
    )
    sinks = compile_blueprint(loads(taught)).evaluation.graph.graph["sinks"]
    assert sinks == ("teacher", "student")
    # a teacher whose logits nobody taught and nobody reads has a random classifier
    sinks = compile_blueprint(
        loads(hinted.replace("train: [teacher]", "train: [teacher, student]"))
    )
    assert sinks.evaluation.graph.graph["sinks"] == ("student",)


@component("model", "last_half")
@attrs.frozen
class LastHalf:
    """A model made of a tap of one node and the classifier of another.

    Attributes:
        early: the tap.
        late: the node, and a stage that is not looked at.
    """

    ports: ClassVar = (Port("early", "b c"),)
    learns: ClassVar[bool] = True
    delivered: ClassVar[bool] = False
    early: str = attrs.field(metadata={"reference": "tap"})
    late: str = attrs.field(metadata={"reference": "stage"})

    def build(self, site):
        return Half(site)


class Half(nn.Module):
    def __init__(self, site):
        super().__init__()
        self.bridge = nn.Linear(site.source.channels, 24)
        self.image = site.modules["late"].image
        # in a list it is not registered
        self.late = [site.modules["late"].model.fc]

    def taps(self):
        return ("logits",)

    def layout(self, tap):
        return "b c" if tap == "logits" else None

    def reader(self, taps, *, stop=False):
        return lambda value: (self.late[0](self.bridge(value)),)

    def passport(self):
        return {}

    def deliverable(self):
        return self


def test_a_lender_is_not_taught_while_its_borrower_sleeps():
    late = "  half: {type: last_half, early: student.embedding, late: teacher.stage1}\n"
    flows = [TEACH.replace(", phases: [teach]", ""), LEARN]
    flows.append("{from: data.label, to: half.logits, loss: cross_entropy}")
    phases = PHASES.replace("train: [student]", "train: [student, half]")
    text = f"{HEAD}{late}flows:\n" + "".join(f"  - {each}\n" for each in flows) + phases
    schedule = compile_blueprint(loads(text))
    teach, learn = ([type(each).__name__ for each in p.instructions] for p in schedule.phases)
    assert teach.count("Loss") == 1 and learn.count("Loss") == 2
    assert schedule.phases[1].trained == ("student", "half")


def test_a_tap_field_and_input_do_not_wire_the_same_port():
    found = problems(
        flow="{from: half, to: student.embedding, loss: mse, via: linear}",
        nodes="  half: {type: halved, source: teacher.embedding, input: teacher.stage1}\n",
    )
    assert found == [
        "t.yaml:6:58: node 'half': port 'source' is wired by source and by input; drop one of them"
    ]


def test_a_call_of_a_borrower_sleeps_with_it():
    nodes = "  wide: {type: dynamic_teacher, of: student}\n  again: {type: call, of: wide}\n"
    flows = [TEACH.replace(", phases: [teach]", "").replace("teacher", "wide"), LEARN]
    flows.append("{from: data.label, to: again.logits, loss: cross_entropy}")
    head = HEAD.replace("size: 8", "size: 16").replace(
        "  teacher: {type: teacher, model: tiny, args: {width: 6}}\n", ""
    )
    phases = "phases: [{name: both}, {name: alone, train: [student]}]\n"
    text = f"{head}{nodes}flows:\n" + "".join(f"  - {each}\n" for each in flows) + phases
    schedule = compile_blueprint(loads(text))
    taught = [
        [each.node for each in plan.instructions if isinstance(each, Loss)]
        for plan in schedule.phases
    ]
    assert taught == [["flow1", "flow2", "flow3"], ["flow2"]]
    # a call is not measured, so that it does not run
    assert schedule.evaluation.graph.graph["sinks"] == ("student", "wide")


def test_a_fit_on_what_no_phase_has_trained_is_refused():
    phases = PHASES.replace("phases: [", "phases: [{name: survey, fit: [centres]}, ")
    flow = "{from: centres, to: student.embedding, loss: mse, via: linear, phases: [learn]}"
    text = f"{HEAD}{FITTED}flows:\n  - {TEACH}\n  - {LEARN}\n  - {flow}\n{phases}"
    with pytest.raises(BlueprintError) as caught:
        compile_blueprint(loads(text, name="t.yaml"))
    assert [str(each) for each in caught.value.problems] == [
        "t.yaml:4:12: teacher 'teacher' is read in phase 'survey' before any phase trains it; "
        "move a phase with train: [teacher] before it, or write weights: FILE.safetensors"
    ]
