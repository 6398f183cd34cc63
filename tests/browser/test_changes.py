"""Pages of changes, opened without a network."""

import pytest

from graphkd.blueprint import load
from graphkd.compile import compile_blueprint
from graphkd.inspect.changes.diff_page import diff_page
from graphkd.inspect.changes.pass_page import pass_page
from graphkd.inspect.changes.steps import steps
from tests.inspect.many import many

# words of each drawing, as the browser's font has them, that lie on each other
OVERLAPS = """() => [...document.querySelectorAll('figure svg')].flatMap(svg => {
  const boxes = [...svg.querySelectorAll('text')].map(each => [each.textContent, each.getBBox()]);
  const apart = (a, b) => a.x + a.width <= b.x + 1 || b.x + b.width <= a.x + 1
    || a.y + a.height <= b.y + 3 || b.y + b.height <= a.y + 3;
  return boxes.flatMap(([one, a], n) =>
    boxes.slice(0, n).filter(([, b]) => !apart(a, b)).map(([other]) => [one, other]));
})"""
COLOUR = """look => {
  const rect = document.querySelector(`figure .${look} .frame, figure .${look} .box`);
  return getComputedStyle(rect).stroke;
}"""


@pytest.mark.parametrize(("one", "other"), [("hinton", "tas"), ("tas", "gpd")])
def test_two_blueprints_in_one_page(show, schedules, one, other):
    tab = show(diff_page(schedules(one), schedules(other)))
    assert tab.evaluate(OVERLAPS) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= 1400
    assert tab.locator("figure").count() == 2
    for figure in tab.locator("figure").all():
        for look in ("added", "removed", "changed"):
            assert figure.locator(f".{look} .sign").count() > 0
    assert tab.locator("table").count() == 2


def test_drawings_that_are_much_wider_than_the_page_can_still_be_read(show):
    one, other = (compile_blueprint(many(30, seed=seed)) for seed in (0, 1))
    tab = show(diff_page(one, other))
    assert tab.evaluate("document.documentElement.scrollWidth") <= 1400
    for drawn in tab.locator("figure > svg").all():
        own = int(drawn.get_attribute("width"))
        assert 0.69 * own <= drawn.bounding_box()["width"] <= own


def test_looks_differ_in_light_and_dark(show, schedules):
    page = diff_page(schedules("hinton"), schedules("tas"))
    looks = ("added", "removed", "changed")
    tab = show(page)
    light = [tab.evaluate(COLOUR, look) for look in looks]
    tab.locator("#theme").click()
    dark = [tab.evaluate(COLOUR, look) for look in looks]
    assert len({*light, *dark}) == 6
    preferred = show(page, scheme="dark")
    assert [preferred.evaluate(COLOUR, look) for look in looks] == dark


def test_all_passes_in_one_page(show):
    schedule = compile_blueprint(load("gpd"), keep_stages=True)
    tab = show(pass_page(schedule, "all", steps(schedule, "all")))
    assert tab.evaluate(OVERLAPS) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= 1400
    tab.get_by_role("link", name="share").click()
    assert tab.evaluate("location.hash") == "#share"
    assert tab.locator("#share .added .sign").count() > 0
    assert tab.locator("#share").get_by_text("student_input: merged into").first.is_visible()
