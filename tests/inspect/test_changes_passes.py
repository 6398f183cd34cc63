"""What each pass of the compiler did, in pages and pictures."""

import html
import re
import xml.etree.ElementTree as ET
from functools import cache

import pytest

from graphkd.blueprint import load
from graphkd.compile import PASSES, compile_blueprint
from graphkd.errors import BlueprintError
from graphkd.graph import vertex, vertices
from graphkd.inspect.changes.compare import compare
from graphkd.inspect.changes.pass_page import pass_page
from graphkd.inspect.changes.steps import does, only_step, steps
from graphkd.inspect.changes.union import halves

NAMES = ("tas", "gpd", "ofa")
ORDER = [each.name for each in PASSES]


@cache
def compiled(name, without=()):
    return compile_blueprint(load(name), without=without, keep_stages=True)


def items(page):
    """Return the lines of the lists in a page."""
    found = re.findall(r'<li><b class="(\w+)"[^>]*>.</b>(.*?)</li>', page)
    return {(look, html.unescape(said)) for look, said in found}


def page_of(name, after, **settings):
    schedule = compiled(name)
    return pass_page(schedule, after, steps(schedule, after, **settings))


@pytest.mark.parametrize("name", NAMES)
def test_a_page_names_what_a_pass_did(name):
    stages = compiled(name).stages
    phases = [key.partition(":")[2] for key in stages if key.startswith("share:")]
    pruned, merged, launches = set(), set(), 0
    for phase in phases:
        before, after = stages[f"convert:{phase}"], stages[f"prune:{phase}"]
        pruned |= {("removed", each) for each in before if each not in after}
        for each in vertices(stages[f"share:{phase}"]):
            if each.same_as:
                merged.add(("changed", f"{each.name}: merged into {each.same_as}"))
        groups = {each.fused_with for each in vertices(stages[f"fuse:{phase}"])} - {""}
        fused = [said for _, said in items(page_of(name, "fuse", phase=phase)) if "launch" in said]
        assert len({said.rpartition(": ")[2] for said in fused}) == len(groups)
        launches += len(groups)
    assert pruned and merged and launches
    assert pruned <= items(page_of(name, "prune"))
    assert merged <= items(page_of(name, "share"))
    every = page_of(name, "all")
    assert pruned | merged <= items(every)
    assert len(every) < 1_000_000


@pytest.mark.parametrize("name", NAMES)
def test_a_page_of_all_passes_has_each_in_its_order(name):
    page = page_of(name, "all")
    assert re.findall(r'<section id="(\w+)">', page) == ORDER
    sections = dict(zip(ORDER, page.split("<section")[1:], strict=True))
    for each, section in sections.items():
        assert html.escape(does(each)) in section
        changed = any(compare(step.before, step.after) for step in steps(compiled(name), each))
        assert ("<figure" in section) == changed
    assert "changed nothing" in sections["check"]
    assert "<figure" not in sections["check"]


def test_before_and_after_stand_beside_each_other():
    page = page_of("gpd", "share", phase="distil")
    assert re.findall(r"<figcaption>(\w+)", page) == ["before", "after"]
    assert "before: 12 vertices and 19 edges, after: 12 vertices and 19 edges; 2 vertices" in page
    (step,) = steps(compiled("gpd"), "share", phase="distil")
    before, after = halves(step.before, step.after)
    # the arrows from the merged conversions go, those from the first come
    assert set(before.arrows.values()) == {"-"} and len(before.arrows) == 2
    assert set(after.arrows.values()) == {"+"} and len(after.arrows) == 2


def test_every_drawing_of_a_page_is_whole():
    for after in ("all", "infer", "prune"):
        page = page_of("tcs", after)
        drawings = re.findall(r"<svg xmlns.*?</svg>", page, flags=re.DOTALL)
        assert drawings
        for each in drawings:
            ET.fromstring(each)


def test_a_pass_that_was_left_out_is_no_step():
    schedule = compiled("gpd", ("share",))
    found = steps(schedule, "all")
    assert list(dict.fromkeys(step.name for step in found)) == [n for n in ORDER if n != "share"]
    # the pass behind it saw what the one before it made
    (fuse,) = (step for step in found if (step.name, step.phase) == ("fuse", "distil"))
    assert fuse.before is schedule.stages["prune:distil"]
    assert "left out: share" in pass_page(schedule, "all", found)


def test_a_picture_is_of_one_phase():
    schedule = compiled("gpd")
    (step,) = steps(schedule, "prune", phase="teach")
    assert only_step([step]) is step
    assert vertex(step.after, "teacher").learns
    assert only_step(steps(schedule, "infer")).after is schedule.stages["infer"]
    with pytest.raises(BlueprintError) as raised:
        only_step(steps(schedule, "prune"))
    assert str(raised.value) == (
        "--after prune: one picture shows one phase; add --phase, one of teach, distil, evaluate"
    )
    single = compiled("mutual")
    assert only_step(steps(single, "share")).phase == single.phases[0].name


@pytest.mark.parametrize(
    ("after", "phase", "said"),
    [
        ("shar", None, "--after shar: no pass 'shar'; did you mean 'share'?"),
        ("share", "tech", "--phase tech: no phase 'tech'; did you mean 'teach'?"),
        (
            "infer",
            "teach",
            "--phase teach: infer sees the whole graph, not one phase; leave it out",
        ),
    ],
)
def test_a_mistake_says_what_there_is(after, phase, said):
    with pytest.raises(BlueprintError) as raised:
        steps(compiled("gpd"), after, phase=phase)
    assert str(raised.value) == said
