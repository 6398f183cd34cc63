"""The page of a blueprint: what it holds, that nothing in it runs, how large it is."""

import base64
import hashlib
import json
import re
import time
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from itertools import combinations

import pytest

from graphkd.blueprint.model import Blueprint, Data
from graphkd.compile import compile_blueprint
from graphkd.components.losses import KL, MSE, CrossEntropy
from graphkd.components.projectors import Linear
from graphkd.inspect import page
from graphkd.inspect.page.schedule import lives


class Reader(HTMLParser):
    """Collect elements, their attributes, and the text of scripts and the style sheet."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.inside = [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = dict(attrs).get("id", tag) if tag in ("script", "style") else None

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside:
            self.texts[self.inside] = self.texts.get(self.inside, "") + data

    @property
    def facts(self):
        return json.loads(self.texts["facts"])


@pytest.fixture
def read():
    return lambda blueprint, **more: Reader(page(compile_blueprint(blueprint), **more))


def test_a_page_needs_nothing_from_elsewhere(small, read):
    found = read(small)
    assert not {tag for tag, _ in found.tags} & {"link", "img", "iframe", "object", "base"}
    for tag, attributes in found.tags:
        assert not set(attributes) & {"src", "href", "style"}, tag
        assert not [name for name in attributes if name.startswith("on")], tag
    assert "url(" not in found.texts["style"] and "@import" not in found.texts["style"]


def test_the_policy_names_the_script_and_the_style_sheet(small, read):
    found = read(small)
    policy = next(a["content"] for t, a in found.tags if t == "meta" and "http-equiv" in a)
    hashes = {
        each: base64.b64encode(hashlib.sha256(found.texts[each].encode()).digest()).decode()
        for each in ("script", "style")
    }
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{hashes['script']}'; "
        f"style-src 'sha256-{hashes['style']}'; base-uri 'none'; form-action 'none'"
    )


def test_every_part_of_a_drawing_has_its_facts(large, read):
    found = read(large)
    items = found.facts["items"]
    shown = [a for _, a in found.tags if a.get("data-of")]
    assert len(shown) > 50
    for each in shown:
        assert each["data-of"] in items
        assert set(each.get("data-ends", "").split()) <= set(items)
    for item in items.values():
        assert item["component"] in found.facts["components"]
        assert {name for _, _, name in item["links"]} <= set(items)


def test_facts_of_a_loss(small, read):
    facts = read(small).facts
    (loss,) = [each for each in facts["items"].values() if each["title"].startswith("kl")]
    said = dict(loss["facts"])
    assert said["knowledge"] == "teacher.logits (gradient stops)"
    assert (said["learner"], said["weight"]) == ("student.logits", "0.9")
    rows = {name: value for name, value, _ in loss["parameters"]}
    assert rows["temperature"] == "2.0"
    assert all(text for _, _, text in loss["parameters"])
    assert "1503.02531" in facts["components"]["loss kl"]["text"]


def test_facts_of_a_node(small, read):
    (node,) = [e for e in read(small).facts["items"].values() if e["title"] == "teacher"]
    said = dict(node["facts"])
    assert said["state"] == "trained in teach"
    # 64 x 8 and 8 x 3 weights, 8 and 3 biases
    assert said["own parameters"].startswith("547 ")
    assert node["taps"] == [["logits", "b c=3"]]
    assert [how for how, _, _ in node["links"]] == ["taught by", "teaches", "reads"]


def test_phases_say_who_is_awake_and_who_learns(small, read):
    facts = read(small).facts
    titles = {name: each["title"] for name, each in facts["items"].items()}
    teach, distil = facts["phases"]
    assert [titles[each] for each in teach["learning"]] == ["teacher"]
    assert [titles[each] for each in distil["learning"]] == ["student"]
    awake = {titles.get(each.split(" ")[0]) for each in teach["awake"]}
    assert "teacher" in awake and "student" not in awake


def test_the_chosen_view_comes_first(small, read):
    found = read(small, view="schedule")
    tabs = {a["data-view"]: a["aria-selected"] for _, a in found.tags if "data-view" in a}
    assert found.facts["first"] == "schedule"
    assert tabs == {"knowledge": "false", "dataflow": "false", "schedule": "true"}


def test_the_same_schedule_gives_the_same_page(large):
    schedule = compile_blueprint(large)
    assert page(schedule) == page(schedule)


def test_texts_of_a_blueprint_stay_texts(small, read):
    marks = "</script><script>1</script><!--\"'<img src=x onerror=1>&lt;"
    plain = read(small)
    small.about = marks
    found = read(small)
    assert found.facts["about"] == marks
    assert [tag for tag, _ in found.tags] == [tag for tag, _ in plain.tags]


def test_drawings_are_sound(large):
    text = page(compile_blueprint(large))
    drawings = re.findall(r"<svg xmlns.*?</svg>", text, flags=re.DOTALL)
    assert len(drawings) == 2
    for each in drawings:
        ET.fromstring(each)


def test_values_live_from_who_makes_them_to_their_last_reader(small):
    distil = compile_blueprint(small, without=("fuse",)).phases[1]
    kinds = [type(each).__name__ for each in distil.instructions]
    found = {each.value: each for each in lives(distil)}
    teacher = found["teacher.logits"]
    assert kinds[teacher.made] == "Forward" and not teacher.gradient
    assert kinds[teacher.freed] == "Loss" and teacher.freed == max(
        row
        for row, each in enumerate(distil.instructions)
        if any(read.value == "teacher.logits" for read in getattr(each, "reads", ()))
    )
    assert found["student.logits"].gradient
    for one, other in combinations(found.values(), 2):
        assert one.track != other.track or one.freed < other.made or other.freed < one.made


def test_a_page_of_300_vertices_is_small_and_soon_made(small):
    made = Blueprint("many", Data(small.data.dataset), deliver=("s0",))
    kinds = [type(node.component) for node in small.nodes.values()]
    teachers, students = (
        [made.node(f"{letter}{n}", kind()) for n in range(50)]
        for letter, kind in zip("ts", kinds, strict=True)
    )
    for teacher, student in zip(teachers, students, strict=True):
        made.flow(made.batch.label, student.logits, CrossEntropy())
        made.flow(teacher.logits, student.logits, KL())
        made.flow(teacher.early, student.early, MSE(), via=Linear())
    schedule = compile_blueprint(made)
    assert len(schedule.graph) >= 300
    start = time.perf_counter()
    text = page(schedule)
    assert time.perf_counter() - start < 5
    assert len(text.encode()) < 3_000_000
