"""Shapes and costs of small graphs, and what waits for what."""

import pytest

from graphkd.blueprint import loads
from graphkd.compile.infer import infer
from graphkd.compile.passes import analyse
from graphkd.component import Socket
from graphkd.graph import Cost, vertex

HEAD = "blueprint: test\ndata: {dataset: fake, size: 16}\n"
PHASES = "phases: [{name: both, train: [teacher, student]}]\n"
NODES = """\
nodes:
  teacher: {type: teacher, model: tiny, args: {width: 8}}
  student: {type: student, model: tiny}
"""
FLOWS = """\
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy}
"""


def inferred(text):
    graph = analyse(loads(HEAD + text, name="t.yaml"))
    assert graph.graph["problems"] == ()
    return graph


def sockets(graph, name):
    return {tap: str(socket) for tap, socket in vertex(graph, name).taps.items()}


def test_taps_and_costs_of_a_small_graph():
    graph = inferred("""\
nodes:
  student: {type: student, model: tiny}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy}
  - {from: student.stage1, to: student.stage1, loss: mse}
""")
    assert vertex(graph, "data").taps == {
        "image": Socket("b c h w", (2, 3, 16, 16)),
        "label": Socket("b", (2,), "int64", classes=10),
    }
    student = vertex(graph, "student")
    assert student.taps == {
        "logits": Socket("b c", (2, 10)),
        "stage1": Socket("b c h w", (2, 4, 8, 8)),
    }
    # convolutions 3->4, 4->8, 8->16 of 3 x 3, two batch norms, a linear layer 16->10
    assert student.cost.parameters == (108 + 4) + 8 + (288 + 8) + 16 + (1152 + 16) + 170
    # 2 x 27 x 4 x 64, 2 x 36 x 8 x 16, 2 x 72 x 16 x 4, 2 x 16 x 10
    assert student.cost.flops == 13824 + 9216 + 9216 + 320
    assert student.image.height == 16
    assert vertex(graph, "flow1").cost == Cost()
    assert sorted(graph.graph["sites"]) == ["flow1", "flow2", "student"]


def test_a_call_has_no_parameters_of_its_own():
    graph = inferred("""\
nodes:
  student: {type: student, model: tiny}
  again: {type: call, of: student}
flows:
  - {from: data.label, to: again.logits, loss: cross_entropy}
""")
    once, again = vertex(graph, "student").cost, vertex(graph, "again").cost
    assert once.parameters > 0 and once.parameter_bytes > 0
    assert (again.parameters, again.parameter_bytes) == (0, 0)
    assert (again.flops, again.activation_bytes) == (once.flops, once.activation_bytes)


def test_a_projector_takes_its_size_from_the_other_side():
    graph = inferred(f"""\
{NODES}{FLOWS}\
  - {{from: teacher.stage2, to: student.stage1, loss: mse, via: [conv1x1, resize]}}
{PHASES}""")
    assert sockets(graph, "flow2_conv1x1") == {"": "b c=16 h=8 w=8"}
    assert sockets(graph, "flow2_resize") == {"": "b c=16 h=4 w=4"}


def test_a_projector_waits_for_a_teacher_that_is_inferred_late():
    graph = inferred(f"""\
nodes:
  student: {{type: student, model: tiny}}
  teacher: {{type: teacher, model: tiny, args: {{width: 8}}}}
  middle: {{type: pool, input: teacher.stage3}}
  end: {{type: ensemble, input: [middle, middle]}}
{FLOWS}\
  - {{from: end, to: student.embedding, loss: mse, via: linear}}
{PHASES}""")
    assert sockets(graph, "flow2_linear") == {"": "b c=32"}


@pytest.mark.parametrize(
    ("via", "sizes"),
    [
        ("[linear, {type: linear, on: from, features: 5}]", ("b c=5", "b c=5")),
        ("[{type: linear, on: from}, {type: linear, features: 5}]", ("b c=5", "b c=5")),
        ("[{type: linear, on: from}, {type: mlp, features: 6}, linear]", None),
    ],
)
def test_chains_on_both_sides(via, sizes):
    text = f"""\
{NODES}{FLOWS}\
  - {{from: teacher.embedding, to: student.embedding, loss: mse, via: {via}}}
{PHASES}"""
    if sizes is None:
        problems = analyse(loads(HEAD + text, name="t.yaml")).graph["problems"]
        assert [each.message for each in problems] == [
            "flow 2: linear cannot tell its output size: nothing is known of the other side; "
            "say features: N"
        ]
        return
    graph = inferred(text)
    parts = [each for each in graph if each.startswith("flow2_")]
    assert tuple(sockets(graph, name)[""] for name in parts) == sizes


def test_a_label_tells_a_projector_the_number_of_classes():
    graph = inferred("""\
nodes:
  student: {type: student, model: tiny}
flows:
  - {from: data.label, to: student.embedding, loss: cross_entropy, via: linear}
""")
    assert sockets(graph, "flow1_linear") == {"": "b c=10"}


def test_tokens_are_offered_as_tokens():
    graph = inferred("""\
nodes:
  teacher: {type: teacher, model: timm/test_vit}
  student: {type: student, model: timm/test_vit, args: {embed_dim: 32}}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy}
  - {from: teacher.tokens, to: student.tokens, loss: cosine, via: linear}
phases: [{name: both, train: [teacher, student]}]
""")
    assert graph.graph["sites"]["flow2_linear"].target == Socket("b n d", (2, 2, 64))


def test_a_model_reads_features_of_its_own_size():
    graph = inferred(f"""\
nodes:
  teacher: {{type: teacher, model: tiny, args: {{width: 8}}}}
  student: {{type: student, model: tiny}}
  judge: {{type: teacher, model: tiny, channels: 4, input: student.stage1}}
{FLOWS}\
  - {{from: teacher.logits, to: judge.logits, loss: kl}}
{PHASES}""")
    assert vertex(graph, "judge").image is None
    assert vertex(graph, "judge").cost.flops < vertex(graph, "student").cost.flops


def test_mixed_labels_go_to_losses_and_plain_ones_to_probes():
    text = """\
blueprint: test
data: {dataset: fake, size: 16, mixup: 0.2}
nodes:
  student: {type: student, model: tiny}
  gap: {type: gap, input: [student.logits, student.logits]}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy}
"""
    assert analyse(loads(text)).graph["problems"] == ()


def test_what_lies_behind_a_cycle_is_left_and_the_rest_inferred():
    graph = analyse(
        loads(
            HEAD
            + """\
nodes:
  student: {type: student, model: tiny}
  one: {type: linear, input: two}
  two: {type: linear, input: one}
  three: {type: linear, input: two}
flows:
  - {from: student.logits, to: three, loss: mse}
""",
            name="t.yaml",
        )
    )
    assert sockets(graph, "student") == {"logits": "b c=10"}
    assert all(vertex(graph, name).taps == {"": None} for name in ("one", "two", "three"))


def test_inference_twice_is_inference_once():
    flow = "  - {from: teacher.stage2, to: student.stage1, loss: mse, via: [conv1x1, resize]}\n"
    graph = inferred(NODES + FLOWS + flow + PHASES)
    again = infer(graph)
    assert list(again.nodes(data=True)) == list(graph.nodes(data=True))
