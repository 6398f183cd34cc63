"""All passes together: pure, in order, and switched off by name."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphkd.blueprint import loads
from graphkd.compile import PASSES, compile_blueprint
from graphkd.compile.instructions import Convert, Forward, Loss
from graphkd.compile.passes import analyse
from graphkd.graph import Graph, verify
from tests.graph.drawn import copied

HEAD = "blueprint: test\ndata: {dataset: fake, size: 16}\n"
TEXT = (
    HEAD
    + """\
nodes:
  teacher: {type: teacher, model: tiny, args: {width: 8}}
  assistant: {type: assistant, model: tiny}
  student: {type: student, model: tiny}
  again: {type: call, of: teacher}
  mean: {type: ensemble, input: [teacher.logits, again.logits]}
  gap: {type: gap, input: [student.logits, mean]}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy, phases: [teach]}
  - {from: mean, to: assistant.logits, loss: kl, phases: [assist]}
  - {from: again.stage2, to: student.stage1, loss: mse, via: [conv1x1, resize], phases: [learn]}
  - {from: teacher.stage1, to: student.stage1, loss: mse, via: conv1x1, phases: [learn]}
phases:
  - {name: teach, train: [teacher]}
  - {name: assist}
  - {name: learn, train: [student]}
"""
)


def plan_of(schedule, name):
    return next(plan for plan in (*schedule.phases, schedule.evaluation) if plan.name == name)


def lines(plan):
    """Write the forwards, conversions and losses of a plan."""
    found = []
    for each in plan.instructions:
        if isinstance(each, Forward):
            marks = "learning " * each.gradient + "stopping " * each.stops
            found.append(f"{marks}{each.node}: {' '.join(tap or '-' for tap in each.taps)}")
        elif isinstance(each, (Convert, Loss)):
            found.append(each.node)
    return found


def test_the_passes_in_their_order():
    names = ["resolve", "check", "infer", "split", "convert"]
    optional = ["prune", "share", "fuse", "cache", "place"]
    assert [each.name for each in PASSES] == [*names, *optional]
    assert [each.name for each in PASSES if each.optional] == optional


def test_each_pass_is_timed_and_kept():
    schedule = compile_blueprint(loads(TEXT), keep_stages=True)
    phased = ["split", "convert", "prune", "share", "fuse", "cache", "place"]
    assert list(schedule.stages) == ["resolve", "check", "infer"] + [
        f"{each}:{phase}" for phase in ("teach", "assist", "learn", "evaluate") for each in phased
    ]
    seconds = schedule.phases[0].graph.graph["seconds"]
    assert list(seconds) == ["resolve", "check", "infer", *phased]
    assert all(each >= 0 for each in seconds.values())
    assert compile_blueprint(loads(TEXT)).stages == {}


def test_a_phase_with_all_passes():
    plan = plan_of(compile_blueprint(loads(TEXT)), "learn")
    # one forward of the teacher serves itself and its call, and ends behind stage2
    assert lines(plan) == [
        "teacher_input",
        "stopping teacher: stage1 stage2",
        "learning student: stage1",
        "learning flow3_conv1x1: -",
        "learning flow3_resize: -",
        "learning flow4_conv1x1: -",
        "flow3",
        "flow4",
    ]


def test_without_share_the_call_runs_by_itself():
    plan = plan_of(compile_blueprint(loads(TEXT), without=["share"]), "learn")
    assert lines(plan) == [
        "teacher_input",
        "stopping teacher: stage1",
        "student_input",
        "learning student: stage1",
        "again_input",
        "stopping again: stage2",
        "learning flow3_conv1x1: -",
        "learning flow3_resize: -",
        "learning flow4_conv1x1: -",
        "flow3",
        "flow4",
    ]


def test_without_prune_all_models_run_to_their_end():
    plan = plan_of(compile_blueprint(loads(TEXT), without=["prune"]), "learn")
    # the assistant is there for nobody, so it neither learns nor leaves evaluation mode
    assert lines(plan) == [
        "teacher_input",
        "teacher: logits stage1 stage2",
        "assistant: logits",
        "learning student: logits stage1",
        "mean: -",
        "learning flow3_conv1x1: -",
        "learning flow3_resize: -",
        "learning flow4_conv1x1: -",
        "flow3",
        "flow4",
    ]
    assert plan.trained == ("student", "flow3_conv1x1", "flow3_resize", "flow4_conv1x1")


def test_the_evaluation_reads_all_logits():
    plan = compile_blueprint(loads(TEXT)).evaluation
    assert lines(plan) == [
        "teacher_input",
        "stopping teacher: logits",
        "stopping assistant: logits",
        "stopping student: logits",
        "mean: -",
    ]
    freed = {value for each in plan.instructions for value in each.frees}
    assert freed == {"teacher_input", "mean"}


@pytest.mark.parametrize(
    "without", [(), ("prune",), ("share",), ("fuse",), ("prune", "share", "fuse")]
)
def test_every_value_is_made_before_it_is_read_and_freed_after(without):
    schedule = compile_blueprint(loads(TEXT), without=without)
    for plan in (*schedule.phases, schedule.evaluation):
        alive = {"data.image", "data.label", "data.index"}
        for each in plan.instructions:
            reads = {read.value for read in getattr(each, "reads", ())}
            assert reads <= alive
            assert set(getattr(each, "frees", ())) <= reads
            alive = alive - set(getattr(each, "frees", ())) | set(getattr(each, "makes", ()))


def test_deliver():
    assert compile_blueprint(loads(TEXT)).deliver == ("student",)
    assert compile_blueprint(loads(TEXT + "deliver: assistant\n")).deliver == ("assistant",)


TAPS = ("logits", "embedding", "stage1", "stage2")


@st.composite
def blueprints(draw):
    """Two or three models and a few flows between them, right or wrong."""
    names = ["a", "b", "c"][: draw(st.integers(1, 3))]
    kinds = st.sampled_from(["teacher", "assistant", "student"])
    rows = [f"  {name}: {{type: {draw(kinds)}, model: tiny}}" for name in names]
    if draw(st.booleans()):
        rows.append(f"  d: {{type: call, of: {draw(st.sampled_from([*names, 'e']))}}}")
        names.append("d")
    ends = st.builds("{}.{}".format, st.sampled_from([*names, "e"]), st.sampled_from(TAPS))
    losses = st.sampled_from(["mse", "kl", "cosine", "infonce"])
    vias = st.sampled_from(["", ", via: linear", ", via: [pool, {type: linear, on: from}]"])
    rows.append("flows:")
    for _ in range(draw(st.integers(0, 4))):
        end = f"{draw(ends)}, to: {draw(ends)}"
        rows.append(f"  - {{from: {end}, loss: {draw(losses)}{draw(vias)}}}")
    if draw(st.booleans()):
        learners = ", ".join(draw(st.lists(st.sampled_from(names), unique=True)))
        rows.append(f"phases: [{{name: one, train: [{learners}]}}, {{name: two}}]")
    return HEAD + "nodes:\n" + "\n".join(rows) + "\n"


@given(blueprints())
@settings(max_examples=40, deadline=None)
def test_passes_leave_their_input_as_it_was(text):
    blueprint = loads(text, name="t.yaml")
    graph = Graph(blueprint=blueprint, problems=(), seconds={})
    for each in PASSES:
        if each.name == "split":
            if graph.graph["problems"]:
                return
            graph = graph.copy()
            graph.graph["phase"] = compile_blueprint(blueprint).phases[0].phase
        before = copied(graph)
        made = each.run(graph)
        assert copied(graph) == before
        assert made is not graph
        verify(made)
        graph = made


@given(blueprints())
@settings(max_examples=40, deadline=None)
def test_problems_are_the_same_each_time_and_told_once(text):
    blueprint = loads(text, name="t.yaml")
    found = analyse(blueprint).graph["problems"]
    assert found == analyse(blueprint).graph["problems"]
    assert len(set(found)) == len(found)
    assert all(each.place is not None for each in found)
    if not found:
        compile_blueprint(blueprint)
