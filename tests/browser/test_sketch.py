"""The page that `render` writes for a blueprint with mistakes, used as people do."""

import pytest

from graphkd.blueprint import load, shipped
from graphkd.compile import compile_blueprint
from graphkd.errors import BlueprintError
from graphkd.inspect.sketch import sketch
from graphkd.inspect.sketch.page import sketch_page

MARKUP = "</script><img src=x onerror='hacked=1'>"
CHANGES = (
    ("type: hybrid_assistant", f'"{MARKUP}": 3, type: hybrid_asistant'),
    ("{from: teacher.logits, to: assistant", "{from: teachr.logits, to: assistant"),
    ("weight: 2}", "wight: 2}"),
    ("lr: 4e-3", "lr: -4"),
)
OVERLAPS = """view => {
  const boxes = [...document.querySelectorAll(`#${view} svg text`)].map(each => each.getBBox());
  const apart = (a, b) => a.x + a.width <= b.x + 1 || b.x + b.width <= a.x + 1
    || a.y + a.height <= b.y + 3 || b.y + b.height <= a.y + 3;
  return boxes.flatMap((a, n) => boxes.slice(0, n).filter(b => !apart(a, b))).length;
}"""


@pytest.fixture(params=["light", "dark"])
def tab(request, visit, tmp_path):
    """Open the page of `tas` with mistakes; nothing in it may fail."""
    text = shipped()["tas"].read_text(encoding="utf-8")
    for old, new in CHANGES:
        assert old in text
        text = text.replace(old, new)
    file, out = tmp_path / "bad.yaml", tmp_path / "page.html"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BlueprintError) as raised:
        compile_blueprint(load(file))
    out.write_text(sketch_page(sketch(file, error=raised.value)), encoding="utf-8")
    opened = visit(out, scheme=request.param, height=700)
    yield opened
    assert opened.evaluate("window.hacked") is None and opened.locator("img").count() == 0


def test_problems_and_what_they_concern_lead_to_each_other(tab):
    items = tab.locator("#problems li")
    # the unknown keys, the unknown component, the recipe; a node that is not there is not sought
    assert items.count() == 3
    assert tab.locator("#problems button").count() == 2
    red = {"light": "rgb(201, 42, 42)", "dark": "rgb(255, 135, 135)"}
    scheme = (
        "dark" if tab.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
    )
    for view in ("knowledge", "dataflow"):
        frame = tab.locator(f"#{view} .part.faulty > .frame")
        assert frame.evaluate("each => getComputedStyle(each).stroke") == red[scheme]
        assert tab.locator(f"#{view} .part.faulty .badge text").text_content() == "! 1"
        assert tab.locator(f"#{view}").get_by_text("! problem 2").is_visible()
        assert tab.locator(f"#{view} .missing").count() == 1
        assert tab.evaluate(OVERLAPS, view) == 0
    # a click on a problem brings what it concerns into sight
    box = tab.locator("#knowledge .part.faulty")
    tab.locator("#problems button").first.click()
    assert "chosen" in box.get_attribute("class")
    seen = box.bounding_box()
    assert seen["y"] > 0 and seen["y"] + seen["height"] < 700
    # and back, with the pointer and with the keyboard
    tab.locator("#knowledge .arrow.faulty").locator("text").first.click()
    assert tab.locator("#problems .chosen").get_attribute("id") == "problem2"
    box.focus()
    tab.keyboard.press("Enter")
    assert tab.locator("#problems .chosen").get_attribute("id") == "problem1"
    assert items.first.bounding_box()["y"] > 0
