from graphkd.graph import above, edges_into, in_order, inputs_of, keep, owner_of
from tests.graph.drawn import drawn, plain, written

CHAIN = """
data data: image
student model: stage1 logits
reader model: logits
flow1 loss
data.image -> student.input
student.stage1 -> reader.input
data.label ~> flow1.teacher
reader.logits => flow1.student
"""


def test_above_follows_the_kinds_it_is_told():
    graph = drawn(CHAIN)
    assert above(graph, ["flow1"]) == {"flow1", "data", "reader", "student"}
    assert above(graph, ["flow1"], "learner") == {"flow1", "reader"}
    assert above(graph, ["flow1"], "learner", "signal") == {"flow1", "reader", "student", "data"}
    assert above(graph, [], "signal") == set()


def test_above_ends_in_a_cycle():
    graph = drawn("""
    one projector
    two projector
    one -> two.input
    two -> one.input
    """)
    assert above(graph, ["one"]) == {"one", "two"}


def test_order_is_the_blueprints_where_edges_leave_a_choice():
    text = """
    late projector: -
    data data: image
    early projector: -
    data.image -> late.input
    data.image -> early.input
    """
    assert in_order(drawn(text)) == ["data", "late", "early"]
    ranks = {"late": 1}
    assert in_order(drawn(text), rank=lambda name: ranks.get(name, 0)) == ["data", "early", "late"]


def test_keep_keeps_the_order_of_few_among_many():
    # `networkx` gives a subgraph of less than half of a graph in the order of a set
    names = [f"n{number}" for number in range(40)]
    graph = drawn("\n".join(f"{name} projector" for name in names))
    few = names[::3]
    assert list(keep(graph, set(few))) == few
    assert list(graph) == names


def test_keep_drops_edges_with_their_ends():
    kept = keep(drawn(CHAIN), {"student", "reader"})
    assert written(kept) == plain("""
    student model: stage1 logits
    reader model: logits
    student.stage1 -> reader.input
    """)


def test_inputs_come_in_the_order_of_ports():
    graph = drawn("""
    data data: label
    teacher model: logits
    student model: logits
    flow1 loss
    data.label ~> flow1.label
    teacher.logits ~> flow1.teacher
    student.logits => flow1.student
    """)
    assert [edge.port for _, edge in inputs_of(graph, "flow1")] == ["student", "teacher", "label"]
    assert [edge.port for _, edge in edges_into(graph, "flow1")] != ["student", "teacher", "label"]
    assert inputs_of(graph, "data") == []


def test_inputs_of_a_list_come_in_its_order():
    graph = drawn("""
    one model: logits
    two model: logits
    both transform: -
    two.logits -> both.input#1
    one.logits -> both.input
    """)
    assert [source for source, _ in inputs_of(graph, "both")] == ["one", "two"]


def test_the_owner_of_a_call_of_a_call():
    text = """
    student model: logits
    once model: logits
    twice model: logits
    once -- twice.of
    student -- once.of
    """
    graph = drawn(text, borrows=("once", "twice"))
    assert [owner_of(graph, name) for name in graph] == ["student", "student", "student"]
    # what is built of another node's parts is its own owner
    assert owner_of(drawn(text), "twice") == "twice"


def test_the_owner_of_calls_in_a_circle_is_one_of_them():
    graph = drawn("a model\nb model\na -- b.of\nb -- a.of", borrows=("a", "b"))
    assert owner_of(graph, "a") in ("a", "b")
