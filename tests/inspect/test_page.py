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

from graphkd.compile import compile_blueprint
from graphkd.inspect import page
from graphkd.inspect.amount import short
from graphkd.inspect.look import themed_sheet
from graphkd.inspect.page.lives import held, lives
from tests.inspect.many import many


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
    rows = dict(loss["parameters"])
    assert rows["temperature"] == "2.0"
    kl = facts["components"]["loss kl"]
    assert set(kl["help"]) == set(rows) and all(kl["help"].values())
    assert "1503.02531" in kl["text"] and "T^2" in kl["summary"] + kl["text"]


def test_facts_of_a_node(small, read):
    (node,) = [e for e in read(small).facts["items"].values() if e["title"] == "teacher"]
    said = dict(node["facts"])
    assert said["state"] == "trained in teach"
    # 64 x 8 and 8 x 3 weights, 8 and 3 biases
    assert said["own parameters"].startswith("547 ")
    # what nobody reads is listed too
    assert node["taps"] == [
        ["early", "b c=8", ""],
        ["embedding", "b c=8", ""],
        ["logits", "b c=3", "read"],
    ]
    # 2 x (64 x 8 + 8 x 3) operations, in batches of 10
    assert said["forward"] == "1.07 kFLOP a sample, 10.7 kFLOP a step of 10"
    assert [how for how, _, _ in node["links"]] == ["taught by", "teaches", "reads"]


def test_phases_say_who_is_awake_and_who_learns(small, read):
    facts = read(small).facts
    titles = {name: each["title"] for name, each in facts["items"].items()}
    teach, distil, evaluation = facts["phases"]
    assert [titles[each] for each in teach["learning"]] == ["teacher"]
    assert [titles[each] for each in distil["learning"]] == ["student"]
    awake = {titles.get(each.split(" ")[0]) for each in teach["awake"]}
    assert "teacher" in awake and "student" not in awake
    assert evaluation["said"].startswith("evaluation, between epochs and at the end: forwards of")
    assert evaluation["learning"] == []


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


def test_a_page_of_many_nodes_is_small_and_soon_made():
    schedule = compile_blueprint(many(100))
    assert len(schedule.graph) >= 300
    start = time.process_time()
    text = page(schedule)
    assert time.process_time() - start < 2
    assert len(text.encode()) < 1_500_000


def test_the_schedule_ends_with_the_evaluation(large, read):
    found = read(large)
    sections = [a["data-phase"] for t, a in found.tags if t == "section"]
    assert sections == ["0", "1", "2"]
    said = found.facts["phases"][2]["said"]
    assert "forwards of" in said and "probes agree" in said and "no gradient" in said


def test_a_line_says_how_much_a_step_costs(small):
    text = page(compile_blueprint(small, without=("fuse",)))
    # forwards of 1072 operations and, of the student, 536; backwards of the student; 10 samples
    forward, learner = 2 * (64 * 8 + 8 * 3), 2 * (64 * 4 + 4 * 3)
    assert f"about {short((forward + 3 * learner) * 10, 'FLOP')}" in text
    # logits of both, of 10 samples in three classes
    assert "held / batch" in text


def test_what_is_held_is_what_lives(small):
    distil = compile_blueprint(small, without=("fuse",)).phases[1]
    found = lives(distil)
    rows = len(distil.instructions)
    for row, size in enumerate(held(found, rows)):
        assert size == sum(each.size for each in found if each.made <= row <= each.freed)
    # 3 floats, and an image of 8 by 8
    sizes = {each.value: each.size for each in found}
    assert sizes["teacher.logits"] == 12 and sizes["teacher_input"] == 4 * 64


def contrast(one, other):
    """Return the contrast of two colours as the guidelines for accessible pages define it."""

    def light(colour):
        digits = colour[1:] if len(colour) == 7 else "".join(2 * each for each in colour[1:])
        parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted(map(light, (one, other)))
    return (high + 0.05) / (low + 0.05)


def test_words_can_be_read_in_both_schemes():
    sheet = themed_sheet()
    schemes = re.findall(r"color-scheme:(?:light|dark);([^}]*)}", sheet)
    assert len(schemes) == 3
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+):(#\w+);", scheme))
        for word in ("ink", "soft", "more"):
            for ground in ("paper", "box"):
                assert contrast(colours[word], colours[ground]) >= 4.5, (word, ground)
            # in frames, of which a tenth is colour at most
            for tint in ("blue", "green", "purple", "teal", "orange"):
                assert contrast(colours[word], mixed(colours[tint], colours["paper"])) >= 4.5


def mixed(tint, paper):
    def parts(colour):
        digits = colour[1:] if len(colour) == 7 else "".join(2 * each for each in colour[1:])
        return [int(digits[at : at + 2], 16) for at in (0, 2, 4)]

    return "#" + "".join(
        f"{round(0.1 * a + 0.9 * b):02x}" for a, b in zip(parts(tint), parts(paper), strict=True)
    )
