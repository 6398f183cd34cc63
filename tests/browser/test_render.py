"""The page that `render` writes, used as people do."""

import pytest

from graphkd.compile import compile_blueprint
from tests.inspect.many import many

VIEWS = ("knowledge", "dataflow", "schedule")
# boxes of the words of a drawing, as the browser's font has them, that lie on each other
OVERLAPS = """view => {
  const texts = [...document.querySelectorAll(`#${view} svg text`)];
  const boxes = texts.map(each => [each.textContent, each.getBBox()]);
  const apart = (a, b) => a.x + a.width <= b.x + 1 || b.x + b.width <= a.x + 1
    || a.y + a.height <= b.y + 3 || b.y + b.height <= a.y + 3;
  return boxes.flatMap(([one, a], n) =>
    boxes.slice(0, n).filter(([, b]) => !apart(a, b)).map(([other]) => [one, other]));
}"""

# words in the knowledge view that are wider than their box
OUTSIDE = """() => [...document.querySelectorAll('#knowledge .part')].flatMap(part => {
  const frame = part.querySelector('.frame').getBBox();
  return [...part.querySelectorAll('text')].filter(each => {
    const box = each.getBBox();
    return box.x + box.width > frame.x + frame.width || box.y + box.height > frame.y + frame.height;
  }).map(each => each.textContent);
})"""

# arrows of the knowledge view that pass through a box: points of the line strictly inside one
CROSSED = """() => {
  const frames = [...document.querySelectorAll('#knowledge .frame')].map(each => each.getBBox());
  const inside = (p, b) =>
    p.x > b.x + 1 && p.x < b.x + b.width - 1 && p.y > b.y + 1 && p.y < b.y + b.height - 1;
  return [...document.querySelectorAll('#knowledge .arrow path:not(.hit):not(.stop)')]
    .filter(path => {
      const length = path.getTotalLength();
      const steps = Array.from({ length: 200 }, (_, n) => path.getPointAtLength(length * n / 199));
      return steps.some(point => frames.some(frame => inside(point, frame)));
    }).length;
}"""


def part(tab, view, words):
    """Find the box in a view whose title is this."""
    exact = tab.locator(f"#{view} .part > text.title").get_by_text(words, exact=True)
    return exact.locator("..").first


@pytest.mark.parametrize("view", VIEWS)
def test_each_view_opens_alone(opened, view):
    tab = opened("tas", view=view)
    assert [tab.locator(f"#{each}").is_visible() for each in VIEWS] == [v == view for v in VIEWS]
    for other in VIEWS:
        tab.get_by_role("tab", name=other).click()
        assert tab.locator(f"#{other}").is_visible()
        assert tab.locator(".view:visible").count() == 1


@pytest.mark.parametrize("name", ["quickstart", "tas", "gpd", "tcs", "mutual"])
def test_words_and_arrows_keep_clear_of_each_other(opened, name):
    tab = opened(name)
    for view in VIEWS[:2]:
        tab.get_by_role("tab", name=view).click()
        assert tab.evaluate(OVERLAPS, view) == []
    tab.get_by_role("tab", name="knowledge").click()
    assert tab.evaluate(OUTSIDE) == []
    assert tab.evaluate(CROSSED) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_view_is_painted(opened, tmp_path, scheme):
    tab = opened("tas", scheme=scheme)
    paper = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 26)"}
    other = {"light": "dark", "dark": "light"}[scheme]
    for view in VIEWS:
        tab.get_by_role("tab", name=view).click()
        shot = tmp_path / f"{view}-{scheme}.png"
        tab.screenshot(path=shot)
        # an empty page of this size has 5 kB
        assert shot.stat().st_size > 30_000
    colour = "getComputedStyle(document.body).backgroundColor"
    assert tab.evaluate(colour) == paper[scheme]
    tab.locator("#theme").click()
    assert tab.evaluate(colour) == paper[other]


def test_a_click_on_a_box_says_what_is_known_of_it(opened):
    tab = opened("tas")
    part(tab, "knowledge", "student").click()
    panel = tab.locator("#panel")
    said = panel.inner_text()
    for words in ("student", "31,6", "FLOP", "b c=10", "trained in distil", "tas.yaml:14:"):
        assert words in said
    assert panel.locator("dt", has_text="logits").count() == 1
    # a lesson leads to its loss, which has its formula and its source
    panel.get_by_role("button", name="ofa: teacher.logits → student.logits").click()
    said = panel.inner_text()
    assert "2310.19444" in said and "nontarget_power" in said and "teacher.logits" in said


def test_flows_into_a_chosen_learner_are_not_dimmed(opened):
    tab = opened("tas")
    part(tab, "knowledge", "assistant").click()
    near = tab.locator("#knowledge .arrow.near").all_text_contents()
    assert sum("ofa" in each for each in near) == 2


def test_a_click_on_an_arrow_shows_its_loss(opened):
    tab = opened("gpd")
    tab.locator("#knowledge .arrow", has_text="soft_cross_entropy").locator("text").first.click()
    said = tab.locator("#panel").inner_text()
    assert "soft_cross_entropy" in said and "weight\n3" in said and "smoothing" in said
    tab.keyboard.press("Escape")
    assert "A dynamic teacher" in tab.locator("#panel").inner_text()


def test_a_click_beside_all_boxes_chooses_none(opened):
    tab = opened("tas")
    part(tab, "knowledge", "student").click()
    assert tab.locator("#knowledge .chosen").count() == 1
    tab.locator("#knowledge").click(position={"x": 5, "y": 5})
    assert tab.locator(".chosen").count() == 0
    assert "A hybrid" in tab.locator("#panel").inner_text()


def test_a_click_on_an_instruction_shows_its_node(opened):
    tab = opened("tas", view="schedule")
    tab.locator("#schedule").get_by_text("assistant", exact=True).first.click()
    assert tab.locator("#panel h2").inner_text() == "assistant"


def test_what_the_pointer_rests_on_is_shown_until_one_is_chosen(opened):
    tab = opened("tas")
    part(tab, "knowledge", "teacher").hover()
    assert tab.locator("#panel h2").inner_text() == "teacher"
    part(tab, "knowledge", "student").click()
    part(tab, "knowledge", "teacher").hover()
    assert tab.locator("#panel h2").inner_text() == "student"


def test_search_highlights_and_centres(opened):
    tab = opened("tas", view="dataflow")
    tab.keyboard.press("/")
    assert tab.evaluate("document.activeElement.id") == "search"
    tab.locator("#search").fill("hybrid")
    assert tab.locator("#found").inner_text() == "1 found"
    assert tab.locator("#dataflow .part.match").count() >= 1
    tab.locator("#search").press("Enter")
    box = tab.locator("#dataflow .part.chosen").first.bounding_box()
    view = tab.locator("#dataflow").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    centre = view["x"] + view["width"] / 2, view["y"] + view["height"] / 2
    assert middle == pytest.approx(centre, abs=2)


def test_search_goes_to_the_view_that_has_what_was_sought(opened):
    tab = opened("tas")
    tab.locator("#search").fill("flow8_linear")
    tab.locator("#search").press("Enter")
    assert tab.locator("#dataflow").is_visible()
    tab.locator("#search").fill("nothing like it")
    assert tab.locator("#found").inner_text() == "0 found"
    assert tab.locator(".match").count() == 0


def test_a_phase_dims_what_sleeps_in_it(opened):
    tab = opened("tas")
    asleep = tab.locator("#knowledge .part.asleep, #knowledge .arrow.asleep")
    assert asleep.count() == 0
    tab.locator("#phase").select_option(label="teach")
    titles = tab.locator("#knowledge .part.asleep > text.title").all_text_contents()
    assert titles == ["assistant", "student"]
    assert tab.locator("#knowledge .arrow:not(.asleep)").count() == 1
    assert tab.locator("#schedule section:not([hidden])").count() == 1
    tab.locator("#phase").select_option(label="distil")
    assert tab.locator("#knowledge .part.asleep").count() == 0
    assert tab.locator("#knowledge .part.resting > text.title").all_text_contents() == ["teacher"]
    learning = tab.locator("#knowledge .part.learning > text.title").all_text_contents()
    assert learning == ["assistant", "student"]
    tab.locator("#phase").select_option(label="all")
    assert asleep.count() == 0


def test_the_drawing_moves_and_grows(opened):
    tab = opened("tas")
    box = part(tab, "knowledge", "teacher")
    before = box.bounding_box()
    view = tab.locator("#knowledge").bounding_box()
    tab.mouse.move(view["x"] + 20, view["y"] + 20)
    tab.mouse.down()
    tab.mouse.move(view["x"] + 80, view["y"] + 50)
    tab.mouse.up()
    moved = box.bounding_box()
    assert (moved["x"] - before["x"], moved["y"] - before["y"]) == pytest.approx((60, 30), abs=1)
    tab.mouse.wheel(0, -300)
    assert box.bounding_box()["width"] > 1.3 * moved["width"]
    tab.locator("#whole").click()
    assert box.bounding_box() == pytest.approx(before)


def test_all_taps_of_a_model_are_listed_and_those_read_marked(opened):
    tab = opened("tas")
    part(tab, "knowledge", "student").click()
    panel = tab.locator("#panel")
    rows = panel.locator("h3", has_text="taps").locator("+ dl")
    assert {"stage1", "stage4", "logits"} <= set(rows.locator("dt").all_text_contents())
    read = rows.locator("dt:not(.unread)").all_text_contents()
    assert sorted(read) == ["embedding", "logits", "stage3"]
    assert rows.locator(".read").count() == 3


def test_the_evaluation_is_a_phase_of_the_schedule(opened):
    tab = opened("two_teachers", view="schedule")
    last = tab.locator("#schedule section").last
    assert last.locator("h2").inner_text().startswith("evaluation, between epochs")
    assert "Measure" in last.inner_text() and "Backward" not in last.inner_text()
    tab.locator("#phase").select_option(label="evaluate")
    assert tab.locator("#schedule section:not([hidden])").count() == 1


def test_a_large_drawing_leaves_out_what_is_not_seen(opened):
    tab = opened(compile_blueprint(many(80)), view="dataflow")
    groups = tab.locator("#dataflow .part")
    away = tab.locator("#dataflow .part.away")
    assert groups.count() / 2 < away.count() < groups.count()
    tab.locator("#search").fill("node79")
    tab.locator("#search").press("Enter")
    chosen = tab.locator("#dataflow .part.chosen:not(.away)").first.bounding_box()
    view = tab.locator("#dataflow").bounding_box()
    assert view["y"] <= chosen["y"] <= view["y"] + view["height"]
    # the whole of it: nothing is away, but words too small to be read are
    tab.locator("#whole").click()
    assert away.count() == 0
    assert not tab.locator("#dataflow text").first.is_visible()


# words of cells, up to a dot or an underscore, that go on in another line
BROKEN = """() => [...document.querySelectorAll('#schedule .cell')].flatMap(cell =>
  [...cell.childNodes].filter(each => each.nodeType === Node.TEXT_NODE).flatMap(text =>
    [...text.data.matchAll(/\\S+/g)].filter(word => {
      const range = document.createRange();
      range.setStart(text, word.index);
      range.setEnd(text, word.index + word[0].length);
      return new Set([...range.getClientRects()].map(each => each.top)).size > 1;
    }).map(word => word[0])))"""
CUT = "each => each.scrollHeight > each.clientHeight"


@pytest.mark.parametrize("width", [1400, 800])
def test_names_in_the_schedule_stay_whole_and_what_is_cut_is_said(opened, width):
    tab = opened("tas", view="schedule")
    tab.set_viewport_size({"width": width, "height": 860})
    assert tab.evaluate(BROKEN) == []
    cells = tab.locator("#schedule .cell").all()
    cut = next(cell for cell in cells if cell.evaluate(CUT))
    whole = next(cell for cell in cells if not cell.evaluate(CUT))
    for cell, title in ((cut, cut.text_content()), (whole, "")):
        cell.hover()
        assert cell.get_attribute("title") == title


def test_tabs_and_boxes_are_used_by_keyboard(opened):
    tab = opened("tas")
    tab.get_by_role("tab", name="knowledge").focus()
    tab.keyboard.press("ArrowRight")
    assert tab.locator("#dataflow").is_visible()
    assert tab.evaluate("document.activeElement.dataset.view") == "dataflow"
    tab.keyboard.press("ArrowLeft")
    box = tab.get_by_role("button", name="model assistant", exact=True).first
    box.focus()
    tab.keyboard.press("Space")
    assert tab.locator("#panel h2").inner_text() == "assistant"
    # where the keyboard is can be seen
    assert box.locator(".frame").evaluate("each => getComputedStyle(each).strokeWidth") == "3px"


def test_the_keyboard_chooses_too(opened):
    tab = opened("tas")
    part(tab, "knowledge", "assistant").focus()
    tab.keyboard.press("Enter")
    assert tab.locator("#panel h2").inner_text() == "assistant"
