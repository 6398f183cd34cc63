from graphkd.blueprint import loads
from graphkd.compile.resolve import resolve
from graphkd.graph import Graph, inputs_of, verify, vertex
from tests.graph.drawn import plain, written

HEAD = "blueprint: test\ndata: {dataset: fake, size: 16}\n"


def resolved(text):
    graph = resolve(Graph(blueprint=loads(HEAD + text, name="t.yaml"), problems=()))
    verify(graph)
    return graph


def test_nodes_and_a_flow():
    graph = resolved("""\
nodes:
  teacher: {type: teacher, model: tiny}
  student: {type: student, model: tiny}
flows:
  - {from: teacher.logits, to: student.logits, loss: kl}
""")
    assert written(graph) == plain("""
    data data: image
    teacher model: logits
    student model: logits
    flow1 loss
    data.image -> teacher.input
    data.image -> student.input
    student.logits => flow1.student
    teacher.logits ~> flow1.teacher
    """)
    assert graph.graph["problems"] == ()
    assert graph.graph["data_spec"].classes == 10
    assert vertex(graph, "flow1").label == "teacher.logits->student.logits/kl"
    assert vertex(graph, "flow1").where == ("flows", 0)
    places = [edge.where for _, edge in inputs_of(graph, "flow1")]
    assert places == [("flows", 0, "to"), ("flows", 0, "from")]


def test_projectors_on_both_sides():
    graph = resolved("""\
nodes:
  teacher: {type: teacher, model: tiny}
  student: {type: student, model: tiny}
flows:
  - from: teacher.stage1
    to: student.stage2
    loss: mse
    via: [pool, {type: pool, on: from}, linear, {type: linear, on: from, features: 3}]
""")
    # behind the `from` tap a signal goes on, as the projector there learns
    assert written(graph) == plain("""
    data data: image
    teacher model: stage1
    student model: stage2
    flow1 loss
    flow1_pool projector: -
    flow1_linear projector: -
    flow1_pool_ projector: -
    flow1_linear_ projector: -
    data.image -> teacher.input
    data.image -> student.input
    flow1_linear => flow1.student
    flow1_linear_ -> flow1.teacher
    student.stage2 => flow1_pool.input
    flow1_pool => flow1_linear.input
    teacher.stage1 ~> flow1_pool_.input
    flow1_pool_ -> flow1_linear_.input
    """)
    assert vertex(graph, "flow1_linear_").where == ("flows", 0, "via", 3)


def test_ports_that_are_not_said_read_the_batch():
    graph = resolved("""\
nodes:
  student: {type: student, model: tiny}
  gap: {type: gap, input: [student.logits, student.logits]}
flows:
  - {from: student.embedding, to: student.embedding, loss: infonce}
""")
    assert written(graph) == plain("""
    data data: image label index
    student model: logits embedding
    gap probe
    flow1 loss
    data.image -> student.input
    student.logits -> gap.student
    student.logits -> gap.teacher
    data.label -> gap.label
    student.embedding => flow1.student
    student.embedding ~> flow1.teacher
    data.index ~> flow1.index
    """)


def test_with_and_lists():
    graph = resolved("""\
nodes:
  a: {type: teacher, model: tiny}
  b: {type: teacher, model: tiny, with: {input: data.image}}
  mean: {type: ensemble, input: [b.logits, a.logits]}
  student: {type: student, model: tiny}
  gap: {type: gap, input: student.logits, with: {teacher: mean}}
flows:
  - {from: mean, to: student.embedding, loss: infonce, with: {index: data.label}}
""")
    assert written(graph) == plain("""
    data data: image label
    a model: logits
    b model: logits
    mean transform: -
    student model: logits embedding
    gap probe
    flow1 loss
    data.image -> a.input
    data.image -> b.input
    b.logits -> mean.input
    a.logits -> mean.input#1
    data.image -> student.input
    student.logits -> gap.student
    mean -> gap.teacher
    data.label -> gap.label
    student.embedding => flow1.student
    mean ~> flow1.teacher
    data.label ~> flow1.index
    """)


def test_a_call_borrows_weights():
    graph = resolved("""\
nodes:
  student: {type: student, model: tiny}
  again: {type: call, of: student}
flows:
  - {from: student.logits, to: again.logits, loss: kl}
""")
    assert written(graph) == plain("""
    data data: image
    student model: logits
    again model: logits
    flow1 loss
    data.image -> student.input
    student -- again.of
    data.image -> again.input
    again.logits => flow1.student
    student.logits ~> flow1.teacher
    """)


def test_parts_of_a_flow_evade_names_that_nodes_have():
    graph = resolved("""\
nodes:
  flow1: {type: student, model: tiny}
flows:
  - {from: data.label, to: flow1.logits, loss: cross_entropy, via: linear}
  - {from: flow1.logits, to: flow1.logits, loss: kl}
""")
    assert list(graph) == ["data", "flow1", "flow1_", "flow1__linear", "flow2"]


def test_what_is_not_resolved_is_named():
    graph = resolved("""\
nodes:
  student: {type: student, model: tiny}
  head: {type: linear, input: studnet.embedding}
flows:
  - {from: data.label, to: head, loss: cross_entropy}
  - {from: techer.logits, to: student.logits, loss: kl, via: {type: linear, on: from}}
phases: [{name: one, train: [nobody]}, {name: two}]
""")
    assert graph.graph["broken"] == {"head", "flow2_linear"}
    assert graph.graph["unsure"] == {"one"}
    assert len(graph.graph["problems"]) == 3
    assert written(graph) == plain("""
    data data: image label
    student model: logits
    head projector: -
    flow1 loss
    flow2 loss
    flow2_linear projector: -
    data.image -> student.input
    head => flow1.student
    data.label ~> flow1.label
    student.logits => flow2.student
    flow2_linear -> flow2.teacher
    """)
