"""What is drawn of a blueprint with mistakes, and which of them is tied to what."""

import json
import re
import xml.etree.ElementTree as ET

import pytest

from graphkd.blueprint import load, shipped
from graphkd.blueprint.read import read_text
from graphkd.compile import compile_blueprint
from graphkd.errors import BlueprintError, Place
from graphkd.graph import edges_into, flow_of, vertex
from graphkd.inspect.sketch import sketch
from graphkd.inspect.sketch.owners import owner_of
from graphkd.inspect.sketch.page import sketch_page
from graphkd.inspect.sketch.pictures import (
    sketch_data,
    sketch_dot,
    sketch_mermaid,
    sketch_svg,
)

TAS = shipped()["tas"].read_text(encoding="utf-8")
MARKUP = "</script><img src=x onerror='hacked=1'>"


@pytest.fixture
def sketched(tmp_path, monkeypatch):
    """Sketch a faulty text; each change of the shipped blueprint `tas` must be one."""
    monkeypatch.chdir(tmp_path)

    def make(*changes, text=TAS, overrides=()):
        for old, new in changes:
            assert text.count(old) == 1
            text = text.replace(old, new)
        (tmp_path / "bad.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(BlueprintError) as raised:
            compile_blueprint(load("bad.yaml", overrides))
        made = sketch("bad.yaml", overrides, error=raised.value)
        assert [each.problem for each in made.findings] == list(raised.value.problems)
        return made

    return make


def marks(made):
    """Return what each problem is tied to."""
    return [each.vertices for each in made.findings]


YAML = """\
nodes:
  a: {type: student, model: x}
  b:
    type: teacher
  a: {type: student}
flows:
  - {from: a.x, to: b.y, from: c}
  - from: b.y
    to: a.x
    to: a.z
train: {lr: 1}
train: {lr: 2}
"""


@pytest.mark.parametrize(
    ("line", "column", "owner"),
    [
        (1, 1, ()),
        (2, 3, ("nodes", "a")),
        (2, 29, ("nodes", "a")),
        (4, 11, ("nodes", "b")),
        # keys that are written twice stand in no value
        (5, 3, ("nodes", "a")),
        (7, 24, ("flows", 0)),
        (8, 11, ("flows", 1)),
        (10, 5, ("flows", 1)),
        (11, 9, ()),
        (12, 1, ()),
    ],
)
def test_a_place_belongs_to_the_node_or_flow_around_it(line, column, owner):
    places = read_text(YAML, "x.yaml").places()
    assert owner_of(Place("x.yaml", line, column), places, lines=YAML.split("\n")) == owner
    assert owner_of(Place("y.yaml", line, column), places) == ()


def test_an_unknown_component_marks_its_node_and_keeps_what_it_reads(sketched):
    made = sketched(("type: hybrid_assistant", "type: hybrid_asistant"))
    assert marks(made) == [("assistant",)]
    assert vertex(made.graph, "assistant").component.component_name == "hybrid_asistant?"
    read = {(source, edge.tap) for source, edge in edges_into(made.graph, "assistant")}
    assert {("student", "stage3"), ("teacher", "stage4")} <= read


def test_an_unknown_loss_marks_its_flow(sketched):
    made = sketched(("loss: cross_entropy, weight: 2", "loss: cross_entrpy, weight: 2"))
    assert marks(made) == [("flow3",)]
    assert flow_of(made.graph, vertex(made.graph, "flow3")).weight == 2


@pytest.mark.parametrize(("side", "ends"), [("from", ["teachr?", "assistant"]), ("to", None)])
def test_a_flow_to_an_unknown_node_leads_to_a_box_of_that_name(sketched, side, ends):
    old = "{from: teacher.logits, to: assistant.logits"
    new = old.replace("teacher", "teachr") if side == "from" else old.replace("assistant", "asst")
    made = sketched((old, new))
    assert ("flow4",) in marks(made)
    ends = ends or ["teacher", "asst?"]
    assert sorted(name for name, _ in edges_into(made.graph, "flow4")) == sorted([*ends, "data"])
    # what is known of the others is drawn
    assert vertex(made.graph, "student").cost.parameters > 30_000
    for view in ("knowledge", "dataflow"):
        assert any(end in sketch_svg(made, view=view) for end in ends if end.endswith("?"))


def test_an_unknown_tap_of_the_data_is_drawn(sketched):
    made = sketched(("data.label, to: student", "data.lable, to: student"))
    assert marks(made) == [("flow3",)]
    assert "lable" in sketch_svg(made, view="knowledge")


def test_a_page_says_what_is_not_checked_yet(sketched):
    later = "shapes and phases are checked once these are mended"
    no_such_loss = "ross_entropy, weight: 2", "ross_entrpy, weight: 2"
    no_such_tap = "data.label, to: student", "data.lable, to: student"
    assert later in sketch_page(sketched(no_such_loss))
    assert later not in sketch_page(sketched(no_such_tap))


def test_misfitting_shapes_mark_the_flow(sketched):
    made = sketched(
        ("{from: assistant.embedding, to: student.embedding, loss: infonce, anchor: teacher, via: "
         "linear}", "{from: assistant.embedding, to: student.embedding, loss: infonce}"),
    )  # fmt: skip
    assert marks(made) == [("flow8",)]


def test_what_concerns_no_node_is_only_listed(sketched):
    made = sketched(("lr: 4e-3", "lr: -4"), ("epochs: 25", "epoch: 25"))
    assert marks(made) == [(), ()]
    assert (
        "data-problems" not in sketch_page(made).partition("<script>")[0].partition("</style>")[2]
    )


def test_mistakes_of_overrides_mark_too(sketched):
    made = sketched(text=TAS, overrides=["student.modle=3", "teacher.model=timm/test_vit"])
    assert marks(made) == [("student",)]


@pytest.mark.parametrize(
    ("old", "new", "marked"),
    [
        ("stem_width: 8}}", "stem_width: 8}", ("student?",)),
        ("class_token: false}\n", "class_token: false\n", ("teacher",)),
        ("  assistant: {type", "  assistant {type", ()),
    ],
)
def test_one_broken_line_costs_no_more_than_its_node(sketched, old, new, marked):
    made = sketched((old, new))
    assert marks(made) == [marked]
    boxes = {name.rstrip("?") for name in made.graph}
    assert {"teacher", "student", "assistant", "flow9"} <= boxes


def test_what_cannot_be_read_at_all_shows_the_lines_around_the_error(sketched):
    made = sketched(text="blueprint: x\nabout: [\n<b>\n")
    assert made.graph is None
    page = sketch_page(made)
    assert "<mark>>    4" in page and "&lt;b&gt;" in page and "Nothing could be drawn" in page
    assert "not valid YAML" in sketch_svg(made)


def test_what_is_extended_and_missing_leaves_the_file_itself(sketched):
    made = sketched(text=f"extends: nowhere\n{TAS}")
    assert marks(made) == [()]
    assert "flow9" in made.graph


def test_a_missing_file_and_one_that_is_no_text_give_no_sketch(tmp_path):
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "nowhere.yaml", tmp_path, tmp_path / "bytes.yaml"):
        with pytest.raises(BlueprintError) as raised:
            load(path)
        assert sketch(path, error=raised.value) is None


def test_cycles_are_drawn(sketched):
    made = sketched(
        text="blueprint: ring\ndata: digits\nnodes:\n  p: {type: linear, input: q}\n"
        "  q: {type: linear, input: p}\n  a: {type: ensemble, input: [b, s.logits]}\n"
        "  b: {type: ensemble, input: [a, s.logits]}\n  s: {type: student, model: tiny}\n"
        "  one: {type: call, of: two}\n  two: {type: call, of: one}\n"
        "flows:\n  - {from: a, to: s.logits, loss: kl}\n  - {from: p, to: q, loss: mse}\n"
    )
    for view in ("knowledge", "dataflow"):
        assert ET.fromstring(sketch_svg(made, view=view)) is not None


def test_each_format_marks_and_lists(sketched):
    made = sketched(("type: hybrid_assistant", "type: hybrid_asistant"), ("weight: 2", "wight: 2"))
    first, second = (str(each.problem) for each in made.findings)
    assert made.numbers() == {"assistant": (1,), "flow3": (2,)}
    for view in ("knowledge", "dataflow"):
        root = ET.fromstring(sketch_svg(made, view=view))
        said = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
        assert said.count("! 1") == 2 and "! problem 2" in said and first in said and second in said
    mermaid, dot = sketch_mermaid(made), sketch_dot(made)
    assert f"%% 1. {first}" in mermaid and f"// 2. {second}" in dot
    assert '  n3_problem>"problem 1"]' in mermaid and 'n3 [xlabel="problem 1"' in dot
    data = json.loads(json.dumps(sketch_data(made)))
    assert [each["nodes"] for each in data["problems"]] == [["assistant"], ["flow3"]]
    assert {each["name"]: each["problems"] for each in data["nodes"]}["assistant"] == [1]


def test_names_are_shown_and_never_run(sketched):
    name = f'"{MARKUP}"'
    made = sketched(
        text=f"blueprint: {name}\nabout: {name}\ndata: {name}\nnodes:\n  {name}: {{type: {name}}}\n"
        f"  s: {{type: student, {name}: 1}}\n"
        f"flows:\n  - {{from: {name}, to: {name}, loss: {name}}}\n"
    )
    page = sketch_page(made)
    assert "<img" not in page and len(re.findall("</script>", page)) == 2
    assert "&lt;img src=x" in page
    tags = {each.tag.partition("}")[2] for each in ET.fromstring(sketch_svg(made)).iter()}
    assert tags <= {"svg", "g", "title", "style", "rect", "path", "polygon", "text", "circle"}
