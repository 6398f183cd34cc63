"""What differs between two graphs: as data, and in one drawing."""

import xml.etree.ElementTree as ET
from functools import cache
from itertools import pairwise

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphkd.blueprint import load
from graphkd.blueprint.model import Blueprint, Data, Phase, Ref
from graphkd.compile import analyse, compile_blueprint
from graphkd.components.losses import KL, MSE, CrossEntropy
from graphkd.components.projectors import Linear
from graphkd.components.transforms import Ensemble
from graphkd.inspect.changes.compare import compare
from graphkd.inspect.changes.diff_page import diff_page
from graphkd.inspect.changes.draw import changed_dataflow, changed_knowledge, changed_svg
from graphkd.inspect.changes.mermaid import changed_mermaid
from graphkd.inspect.changes.union import union
from graphkd.inspect.document import document
from graphkd.inspect.drawing.mermaid import mermaid
from graphkd.inspect.drawing.svg import drawing
from graphkd.inspect.page.knowledge import knowledge_drawing
from tests.inspect.conftest import Line, Squares, Student, Teacher
from tests.inspect.many import many

NAMES = ("hinton", "fitnets", "tas", "gpd", "ofa", "tcs", "mutual")


@cache
def graph(name):
    return analyse(load(name))


def base(*, temperature=4.0, weight=1.0, extra=False, hint="early"):
    """Two networks; `extra` puts a flow before all others."""
    made = Blueprint("base", Data(Squares()))
    teacher, student = made.node("teacher", Teacher(8)), made.node("student", Student())
    if extra:
        made.flow(teacher.embedding, student.embedding, MSE(), via=Linear())
    made.flow(made.batch.label, student.logits, CrossEntropy())
    made.flow(teacher.logits, student.logits, KL(temperature=temperature), weight=weight)
    made.flow(getattr(teacher, hint), getattr(student, hint), MSE(), via=Linear(), name="hint")
    return made


def plain(drawn):
    """Leave out of a drawing what tells what differs from what does not."""
    lines = drawn.replace("graphkd changes", "graphkd").split("\n")
    return [line for line in lines if line not in ('<g class="kept">', "</g>")]


def groups(drawn, look):
    """Name the titles of boxes in a drawing that have a look."""
    found = []
    for each in ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}g"):
        if each.get("class") == look:
            words = (text for text in each if text.tag.endswith("}text"))
            found += [text.text for text in words if text.get("class") == "title"]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_graph_has_no_change_from_itself(name):
    again = graph(name).copy()
    # as loaded from another file
    again.graph["blueprint"] = attrs.evolve(again.graph["blueprint"])
    for other in (graph(name), again):
        changes = compare(graph(name), other)
        assert not changes and (changes.vertices, changes.edges) == ((), ())
    made = union(graph(name), again)
    assert plain(changed_dataflow(made)) == plain(drawing(again, style=""))
    assert plain(changed_knowledge(made)) == plain(knowledge_drawing(again))
    assert changed_mermaid(made) == mermaid(again)


def assert_leads(one, other):
    """Assert that the changes lead from the names of one graph to those of another."""
    changes = compare(one, other)
    of = {sign: [each.name for each in changes.vertices if each.sign == sign] for sign in "+-~"}
    kept = [name for name in one if name not in of["-"]]
    assert {changes.pairs[name] for name in kept} | set(of["+"]) == set(other)
    assert len(kept) + len(of["+"]) == len(other)
    signs = [each.sign for each in changes.edges]
    edges = one.number_of_edges() - signs.count("-") + signs.count("+")
    assert edges == other.number_of_edges()


@pytest.mark.parametrize(("one", "other"), [*pairwise(NAMES), ("mutual", "hinton")])
def test_changes_lead_from_one_graph_to_the_other(one, other):
    assert_leads(graph(one), graph(other))
    made = union(graph(one), graph(other))
    for drawn in (changed_svg(made), changed_dataflow(made), changed_knowledge(made)):
        ET.fromstring(drawn)


@cache
def any_graph(count, seed):
    return analyse(many(count, seed=seed))


graphs = st.builds(any_graph, st.integers(2, 6), st.integers(0, 3))


@settings(max_examples=20, deadline=None)
@given(graphs, graphs)
def test_changes_lead_from_any_graph_to_any_other(first, second):
    assert_leads(first, second)
    back = compare(second, first)
    swap = {"+": "-", "-": "+", "~": "~"}
    there = compare(first, second)
    assert sorted((each.sign, each.title) for each in there.vertices) == sorted(
        (swap[each.sign], each.title) for each in back.vertices
    )
    ET.fromstring(changed_svg(union(first, second)))


def test_what_changed_of_a_part_is_said_in_words(inferred):
    one, other = inferred(base()), inferred(base(temperature=2.0, weight=0.5))
    changes = compare(one, other)
    assert changes.edges == ()
    assert list(map(str, changes.vertices)) == [
        "~ kl teacher.logits → student.logits: temperature 4 → 2, weight 1 → 0.5"
    ]


def test_one_more_flow_shifts_no_other(inferred):
    one, other = inferred(base()), inferred(base(extra=True))
    changes = compare(one, other)
    # flow1 of the first is flow2 of the second
    assert {changes.pairs[name] for name in one if name.startswith("flow1")} == {"flow2"}
    assert [(each.sign, each.name) for each in changes.vertices] == [
        ("+", "flow1"),
        ("+", "flow1_linear"),
    ]
    back = union(other, inferred(base()))
    # nothing of another name is lost, though names fall together
    assert len(back.graph) == len(other)
    assert groups(changed_svg(back), "removed") == ["embedding", "embedding", "linear", "mse"]
    assert groups(changed_svg(back), "added") == []


def test_a_network_says_what_became_of_it(inferred):
    one, other = base(), base()
    other.nodes["teacher"] = attrs.evolve(one.nodes["teacher"], component=Teacher(16), lr=0.5)
    (teacher, *others) = compare(inferred(one), inferred(other)).vertices
    assert teacher.words[:2] == ("features 8 → 16", "lr empty → 0.5")
    assert "547 → 1.09 k parameters" in teacher.words
    # the projector follows the teacher's width
    assert [each.name for each in others] == ["flow3_linear"]
    drawn = changed_dataflow(union(inferred(one), inferred(other)))
    assert groups(drawn, "changed") == ["teacher", "linear"]
    assert "features 8 → 16" in drawn


def test_another_phase_is_a_change_of_what_learns(inferred):
    one, other = base(), base()
    other.phases = [Phase("hint", train=("student",)), Phase("rest", train=("student",))]
    other.flows[1] = attrs.evolve(other.flows[1], phases=("rest",))
    words = {each.name: each.words for each in compare(inferred(one), inferred(other)).vertices}
    assert words == {"flow2": ("in every phase → in rest",)}


def test_arrows_that_would_close_a_circle_are_left_out_and_told():
    def made(first, second):
        blueprint = Blueprint("circle", Data(Squares()))
        teacher, student = blueprint.node("t", Teacher(8)), blueprint.node("s", Student())
        upper = blueprint.node(first, Ensemble(), input=(teacher.logits, student.logits))
        third = blueprint.node("other", Line(6))
        lower = blueprint.node(second, Ensemble(), input=(teacher.logits, upper.output))
        blueprint.flow(lower.output, blueprint.node("last", Student()).logits, KL())
        blueprint.flow(blueprint.batch.label, student.logits, CrossEntropy())
        blueprint.flow(student.logits, third.logits, KL())
        blueprint.deliver = ("s",)
        return compile_blueprint(blueprint)

    one, other = made("a", "b"), made("b", "a")
    drawn = union(one.graph, other.graph)
    assert drawn.hidden == 1
    ET.fromstring(changed_svg(drawn))
    assert "1 removed arrow is not drawn" in diff_page(one, other)
    assert "a ⇢ b" in diff_page(one, other)


MARKUP = "\"'></script><script>hacked=1</script>&<b>`\n\u2028"


def test_hostile_names_stay_text():
    def made(name, loss):
        blueprint = base()
        blueprint.about = MARKUP
        blueprint.nodes[name] = attrs.evolve(blueprint.nodes["student"])
        ends = {"to": Ref(name, "logits"), "loss": loss, "name": MARKUP}
        blueprint.flows.append(attrs.evolve(blueprint.flows[1], **ends))
        blueprint.phases = [Phase(MARKUP, train=("student", name))]
        blueprint.deliver = ("student",)
        return compile_blueprint(blueprint)

    one = made(f"before{MARKUP}".replace(".", ""), KL())
    other = made(f"after{MARKUP}".replace(".", ""), KL(temperature=1.0))
    page = diff_page(one, other)
    assert "<script>hacked" not in page and "<b>`" not in page
    assert page.count("<script") == document("", "").count("<script")
    for drawn in (union(one.graph, other.graph), union(other.graph, one.graph)):
        ET.fromstring(changed_svg(drawn))
        assert "<" not in changed_mermaid(drawn).replace("<br/>", "")
