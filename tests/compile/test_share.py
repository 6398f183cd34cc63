import attrs
from hypothesis import given
from hypothesis import strategies as st

from graphkd.compile.convert import Convert
from graphkd.compile.share import share
from graphkd.component import ImageSpec
from graphkd.graph import owner_of, verify, vertex
from tests.graph.drawn import change, drawn, is_acyclic, plain, written

SMALL = ImageSpec(3, 8, 8, mean=(0.5,) * 3, std=(0.2,) * 3)
LARGE = attrs.evolve(SMALL, height=32, width=32)


def with_conversions(text, specs, **settings):
    graph = drawn(text, **settings)
    for name, spec in specs.items():
        change(graph, name, component=Convert(spec))
    return graph


CONVERTED = """
data data: image
teacher model (stops): logits
student model (learns, gradient): logits
teacher_input convert: -
student_input convert: -
data.image -> teacher_input.input
data.image -> student_input.input
teacher_input -> teacher.input
student_input -> student.input
"""


def test_equal_conversions_are_merged():
    graph = with_conversions(CONVERTED, {"teacher_input": SMALL, "student_input": SMALL})
    assert written(share(graph)) == plain("""
    data data: image
    teacher model (stops): logits
    student model (learns, gradient): logits
    teacher_input convert: -
    student_input convert (same as teacher_input)
    teacher_input -> teacher.input
    teacher_input -> student.input
    data.image -> teacher_input.input
    data.image -> student_input.input
    """)


def test_different_conversions_stay():
    graph = with_conversions(CONVERTED, {"teacher_input": LARGE, "student_input": SMALL})
    assert set(written(share(graph)).splitlines()) == set(plain(CONVERTED).splitlines())


CALLED = """
data data: image
teacher model (stops): stage1
again model: logits
teacher_input convert: -
again_input convert: -
flow1 loss
data.image -> teacher_input.input
data.image -> again_input.input
teacher_input -> teacher.input
again_input -> again.input
teacher -- again.of
teacher.stage1 ~> flow1.teacher
again.logits => flow1.student
"""


def test_a_call_on_the_same_image_is_merged_with_its_owner():
    specs = {"teacher_input": SMALL, "again_input": SMALL}
    made = share(with_conversions(CALLED, specs, borrows=("again",)))
    # one forward gives both taps, and no longer stops behind the first
    assert written(made) == plain("""
    data data: image
    teacher model: stage1 logits
    again model (same as teacher)
    teacher_input convert: -
    again_input convert (same as teacher_input)
    flow1 loss
    teacher_input -> teacher.input
    teacher -- again.of
    teacher_input -> again.input
    data.image -> teacher_input.input
    data.image -> again_input.input
    teacher.logits => flow1.student
    teacher.stage1 ~> flow1.teacher
    """)


def test_a_call_on_another_image_stays():
    specs = {"teacher_input": SMALL, "again_input": LARGE}
    graph = with_conversions(CALLED, specs, borrows=("again",))
    assert sorted(written(share(graph)).splitlines()) == sorted(plain(CALLED).splitlines())


def test_calls_of_what_learns_stay():
    # each forward in training mode draws its own dropout
    text = CALLED.replace("(stops)", "(learns, gradient)").replace(
        "again model", "again model (learns, gradient)"
    )
    specs = {"teacher_input": SMALL, "again_input": SMALL}
    made = share(with_conversions(text, specs, borrows=("again",)))
    assert vertex(made, "again").same_as == ""
    assert vertex(made, "again_input").same_as == "teacher_input"


def test_two_calls_are_merged_where_the_owner_does_not_run():
    made = share(
        drawn(
            """
            attack model: image
            teacher model
            one model: logits
            two model: logits
            flow1 loss
            attack.image -> one.input
            attack.image -> two.input
            teacher -- one.of
            teacher -- two.of
            one.logits => flow1.student
            two.logits ~> flow1.teacher
            """,
            borrows=("one", "two"),
        )
    )
    assert written(made) == plain("""
    attack model: image
    teacher model
    one model: logits
    two model (same as one)
    flow1 loss
    teacher -- one.of
    attack.image -> one.input
    teacher -- two.of
    attack.image -> two.input
    one.logits => flow1.student
    one.logits ~> flow1.teacher
    """)


def test_readers_of_merged_calls_are_merged_too():
    made = share(
        drawn(
            """
            data data: image
            teacher model: stage1
            once model: stage1
            judge model: logits
            twice model: logits
            data.image -> teacher.input
            data.image -> once.input
            teacher -- once.of
            teacher.stage1 -> judge.input
            once.stage1 -> twice.input
            judge -- twice.of
            """,
            borrows=("once", "twice"),
        )
    )
    assert [vertex(made, name).same_as for name in made] == ["", "", "teacher", "", "judge"]


@st.composite
def graphs(draw):
    """Models, and calls of earlier ones, that read the data or an earlier node."""
    count = draw(st.integers(2, 7))
    lines, borrows = ["data data: image"], []
    for number in range(count):
        learns = draw(st.booleans())
        name = f"n{number}"
        if number and draw(st.booleans()):
            owner = f"n{draw(st.integers(0, number - 1))}"
            borrows.append(name)
            lines.append(f"{owner} -- {name}.of")
            learns = any(line.startswith(f"{owner} model (learns") for line in lines)
        lines.append(f"{name} model{' (learns, gradient)' * learns}: logits")
        source = draw(st.integers(-1, number - 1))
        start = "data.image" if source < 0 else f"n{source}.logits"
        lines.append(f"{start} -> {name}.input")
    return drawn("\n".join(lines), borrows=borrows)


@given(graphs())
def test_merging_keeps_every_value_and_makes_no_cycle(graph):
    made = share(graph)
    verify(made)
    assert is_acyclic(made)
    assert list(made) == list(graph)
    for name in graph:
        kept = vertex(made, name).same_as or name
        # the first in the blueprint's order computes it, and it runs the same module
        assert list(graph).index(kept) <= list(graph).index(name)
        assert owner_of(graph, kept) == owner_of(graph, name)
        assert _value(made, kept) == _value(graph, name)


def _value(graph, name):
    """Write out what a vertex computes, down to the data."""
    if name == "data":
        return name
    (source,) = [a for a, b, d in graph.in_edges(name, data=True) if d["edge"].kind == "signal"]
    return f"{owner_of(graph, name)}({_value(graph, source)})"
