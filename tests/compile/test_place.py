"""What is placed where, what is waited for, what is refused, and how people are told."""

import re

import pytest

from graphkd.blueprint import dumps, loads
from graphkd.compile import compile_blueprint
from graphkd.compile.instructions import Forward, Wait
from graphkd.errors import BlueprintError
from graphkd.graph import Placement
from graphkd.inspect import explain, page

pytestmark = pytest.mark.usefixtures("weights")

TEXT = """\
blueprint: test
data: {dataset: fake, size: 8}
nodes:
  teacher: {type: teacher, model: tiny, weights: W3.safetensors}
  again: {type: call, of: teacher, input: data.view1}
  student: {type: student, model: tiny}
  mean: {type: ensemble, input: [teacher.logits, again.logits]}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy}
  - {from: mean, to: student.logits, loss: kl}
train: {streams: false}
"""
TEXT = TEXT.replace("size: 8", "size: 8, augment: [random_flip]")
ALL = """\
  teacher: {type: teacher, model: tiny, weights: W3.safetensors, KEYS}
  again: {type: call, of: teacher, input: data.view1, compile: true}
  student: {type: student, model: tiny, checkpoint: true}
"""
PLACED = TEXT[: TEXT.index("  teacher")] + ALL + TEXT[TEXT.index("  mean") :]
PLACED = PLACED.replace("KEYS", "precision: bfloat16, device: cuda:1").replace(
    "streams: false", "streams: true"
)


def placements(plan):
    found = {each.node: each.placement for each in plan.instructions if isinstance(each, Forward)}
    return {node: at for node, at in found.items() if at != Placement()}


def refused(text):
    with pytest.raises(BlueprintError) as caught:
        compile_blueprint(loads(text))
    return [str(each).removeprefix("blueprint:") for each in caught.value.problems]


def test_weights_are_where_their_owner_says_and_calls_compile_by_themselves():
    schedule = compile_blueprint(loads(PLACED))
    half = Placement(precision="bfloat16", device="cuda:1", aside=True)
    assert placements(schedule.phases[0]) == {
        "teacher": half,
        "again": Placement("bfloat16", "cuda:1", compiled=True, aside=True),
        "student": Placement(checkpointed=True),
    }
    # nothing learns and nobody waits in an evaluation
    assert placements(schedule.evaluation) == {"teacher": Placement("bfloat16", "cuda:1")}
    for plan in (
        compile_blueprint(loads(TEXT)),
        compile_blueprint(loads(PLACED), without=["place"]),
    ):
        assert placements(plan.phases[0]) == {}
    assert loads(dumps(loads(PLACED))) == loads(PLACED)


def test_the_main_stream_waits_right_before_it_reads():
    plan = compile_blueprint(loads(PLACED)).phases[0]
    names = [f"{type(each).__name__} {getattr(each, 'node', '')}" for each in plan.instructions]
    first = names.index("Forward mean")
    assert names[first - 2 : first] == ["Wait teacher", "Wait again"]
    assert sum(isinstance(each, Wait) for each in plan.instructions) == 2


def test_in_bfloat16_weights_are_expected_to_take_half_the_memory():
    sizes = [
        compile_blueprint(loads(text)).phases[0].graph.nodes["teacher"]["vertex"].cost
        for text in (TEXT, PLACED)
    ]
    assert sizes[1].parameter_bytes == sizes[0].parameter_bytes // 2
    assert sizes[1].parameters == sizes[0].parameters


LEARNS = "it learns in phase 'train'; drop precision, or write train.precision: bfloat16"
REFUSED = {
    "bfloat16 for a learner": (
        TEXT.replace("student, model: tiny", "student, model: tiny, precision: bfloat16"),
        [f"6:52: node 'student': precision: {LEARNS}"],
    ),
    "a learner elsewhere": (
        TEXT.replace("student, model: tiny", "student, model: tiny, device: cpu"),
        [
            "6:49: node 'student': device: it learns in phase 'train'; drop device, "
            "or write train.device"
        ],
    ),
    "weights of another node": (
        TEXT.replace("of: teacher,", "of: teacher, precision: bfloat16,"),
        [
            "5:47: node 'again': precision: it computes with the weights of 'teacher'; "
            "write precision there"
        ],
    ),
    "shared modules": (
        TEXT.replace("tiny, weights", "tiny, precision: bfloat16, weights").replace(
            "student: {type: student, model: tiny}",
            "student: {type: near, model: tiny, of: teacher, share: 0.5}",
        )
        + "phases: [{name: begin, fit: [student]}, {name: learn}]\n",
        [
            "4:52: node 'teacher': precision: it shares modules with 'student'; drop precision, "
            "or write train.precision: bfloat16"
        ],
    ),
    "what is no model": (
        TEXT.replace("type: ensemble,", "type: ensemble, compile: true,"),
        ["7:35: node 'mean': compile: only models have it; drop compile"],
    ),
    "a device of no kind": (
        TEXT.replace("tiny, weights", "tiny, device: 'gpu 1', weights"),
        [
            "4:49: node 'teacher': device: is 'gpu 1', not cpu, cuda or cuda:N; "
            "drop device for that of the run"
        ],
    ),
    "nothing to keep": (
        TEXT.replace("tiny, weights", "tiny, checkpoint: true, weights"),
        [
            "4:53: node 'teacher': checkpoint: it never learns, so nothing is kept for a "
            "backward; drop checkpoint"
        ],
    ),
    "all is compiled": (
        TEXT.replace("student, model: tiny", "student, model: tiny, compile: true").replace(
            "streams: false", "streams: true, compile: true"
        ),
        [
            "6:50: node 'student': compile: train.compile compiles the whole forward in phase "
            "'train'; drop one of the two",
            "11:18: streams: compile makes one program of the whole forward; drop one of the two",
        ],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_wrong_is_refused_with_place_and_reason(name):
    text, said = REFUSED[name]
    assert refused(text) == said


def test_explain_and_the_page_tell_it_and_say_nothing_of_what_is_as_usual():
    schedule = compile_blueprint(loads(PLACED))
    text, drawn = explain(schedule), page(schedule)
    for line in (
        "bfloat16: teacher, again: weights and forward; what others read is float32",
        "on cuda:1: teacher, again: what they read and make is copied",
        "compiled: again: each forward by itself",
        "computed twice: student: again in the backward, and not kept for it",
        "side stream: teacher, again: beside the others on a GPU; none on a cpu",
    ):
        assert line in text and line in drawn
    # of the phase, and of the evaluation
    assert drawn.count("<th>where</th>") == 2
    plain = compile_blueprint(loads(TEXT))
    assert "where" not in explain(plain)
    assert "<th>where</th>" not in page(plain)
    assert not re.search("side stream|computed twice", explain(plain))
    # with the pass left out no forward is aside, for no reason of its own
    assert "side stream" not in explain(compile_blueprint(loads(PLACED), without=["place"]))
