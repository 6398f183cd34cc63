"""Texts of a blueprint may hold anything; drawings show them and are not broken by them."""

import xml.etree.ElementTree as ET

import pytest

from graphkd.blueprint.model import Blueprint, Data, Node, Phase, Ref
from graphkd.compile.resolve import resolve
from graphkd.components.datasets import Digits
from graphkd.components.losses import KL
from graphkd.components.models import Student, Teacher
from graphkd.graph import Graph
from graphkd.inspect import dot, mermaid, svg
from graphkd.inspect.text import one_line

NAMES = (
    'a"b',
    "back\\slash\\",
    "<script>alert(1)</script>",
    "&amp;",
    "]]>",
    "pi|pe",
    "[br] (ac) {ket}",
    "#quot;",
    "%%{init: 1}%%",
    "`code` *bold* _under_",
    "1) list",
    "- dash",
    "end",
    "style: #1;",
    "line\nbreak\r\ttab",
    "nul\0 bell\a escape\x1b[31m",
    "学生 😀 é\u0301",
    "half \ud800 pair",
    "\u2028",
)


def teach(name):
    """Make the graph of two nodes called alike, a flow and a phase."""
    made = Blueprint("hostile", Data(Digits()), about=name)
    # past `Blueprint.node`, which refuses most of these: a drawing does not rely on it
    made.nodes[name] = Node(Teacher(model=name))
    made.nodes[f"{name}2"] = Node(Student(model=name))
    made.flow(Ref(name, name), Ref(f"{name}2", "logits"), KL(), name=name, phases=(name,))
    made.phases = [Phase(name), Phase("other")]
    return resolve(Graph(blueprint=made, problems=()))


@pytest.mark.parametrize("name", NAMES)
def test_svg_shows_the_name(name):
    drawn = svg(teach(name))
    drawn.encode("utf-8")
    root = ET.fromstring(drawn)
    tags = {each.tag.partition("}")[2] for each in root.iter()}
    assert tags == {"svg", "title", "style", "rect", "path", "polygon", "text"}
    titles = [each.text for each in root.iter() if each.get("class") == "title"]
    # a text keeps its spaces in XML
    assert one_line(name) in titles and f"{one_line(name)}2" in titles


@pytest.mark.parametrize("name", NAMES)
def test_mermaid_has_no_marks_of_its_own(name):
    drawn = mermaid(teach(name))
    drawn.encode("utf-8")
    lines = drawn.splitlines()
    quoted = [line.split('"')[1::2] for line in lines if '"' in line]
    assert all(line.count('"') == 2 for line in lines if '"' in line)
    for (text,) in quoted:
        shown = text.replace("<br/>", "")
        assert not set(shown) & set("\"'`|[]{}<>&*%\\!~^+") and "#quot;" not in shown
    assert len(lines) == len(mermaid(teach("plain")).splitlines())


@pytest.mark.parametrize("name", NAMES)
def test_dot_stays_within_its_quotes(name):
    drawn = dot(teach(name))
    drawn.encode("utf-8")
    assert len(drawn.splitlines()) == len(dot(teach("plain")).splitlines())
    for line in drawn.splitlines():
        # what is left when escaped signs are gone has quotes in pairs
        assert line.replace("\\\\", "").replace('\\"', "").count('"') % 2 == 0


def test_mermaid_escapes():
    (line,) = [each for each in mermaid(teach('a"#<')).splitlines() if each.startswith("  n1[")]
    assert line == ('  n1["a#34;#35;#60; (frozen)<br/>teacher a#34;#35;#60;"]')


def test_dot_escapes():
    (line,) = [each for each in dot(teach('a"&\\')).splitlines() if each.startswith("  n1 [")]
    name = r"a\"&amp;\\"
    assert line == f'  n1 [label="{name} (frozen)\\nteacher {name}", shape=box];'
