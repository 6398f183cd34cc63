"""The page of a run in a browser: offline, without complaints, and where its reader left it."""

import json

import pytest

from graphkd.inspect.report.page import write_report
from graphkd.run.plan import write_plan

STEPS = 30


@pytest.fixture(scope="module")
def run(tmp_path_factory, schedules):
    """Make the folder of a run that is in its second phase of three."""
    folder = tmp_path_factory.mktemp("runs") / "takd"
    folder.mkdir()
    write_plan(schedules("takd"), folder)
    label, kl = "data.label->assistant.logits/cross_entropy", "teacher.logits->assistant.logits/kl"
    records = [{"step": 10, "phase": "teach", "epoch": 0, "lr": 0.1}]
    for step in range(11, 11 + STEPS):
        losses = {f"loss/{label}": 1 / step, f"loss/{kl}": 100 / step}
        records.append({"step": step, "phase": "assist", "epoch": 0, "lr": 0.1, **losses})
    lines = "".join(json.dumps(each) + "\n" for each in records)
    (folder / "metrics.jsonl").write_text(lines)
    count = 60
    classes = {
        "split": "validation",
        "step": 40,
        "names": [f"class {number}" for number in range(count)],
        "counts": [1] * count,
        "models": {"student": [number / count for number in range(count)]},
    }
    (folder / "classes.json").write_text(json.dumps(classes))
    return folder


@pytest.fixture
def opened(visit, run):
    """Open the page of the run."""

    def open_page(*, scheme="light", running=True):
        return visit(write_report(run, running=running), scheme=scheme)

    return open_page


def paper(tab):
    return tab.evaluate("getComputedStyle(document.body).backgroundColor")


def lightness(colour):
    return sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(",")))


def test_the_loss_of_now_stands_below_its_arrow_and_sleeping_flows_are_dim(opened):
    tab = opened()
    arrows = tab.locator("#knowledge .arrow.flow")
    said = {
        arrow.locator(".title").first.text_content() + arrow.locator(".more").text_content(): arrow
        for arrow in arrows.all()
        if "asleep" not in arrow.get_attribute("class")
    }
    assert set(said) == {"kl2.5 ↓", "cross_entropy0.025 ↓"}
    words, line = (said["kl2.5 ↓"].locator(each).bounding_box() for each in (".more", "path.hit"))
    assert line["x"] < words["x"] and words["y"] > line["y"]
    assert arrows.count() == 5
    # the reader looks back
    tab.select_option("#phase", label="teach")
    assert "asleep" in said["kl2.5 ↓"].get_attribute("class")


def test_no_value_lies_on_other_words(opened):
    tab = opened()
    for view in ("knowledge", "dataflow"):
        tab.click(f"[data-view={view}]")
        boxes = tab.evaluate(
            """(view) => [...document.querySelectorAll(`#${view} text`)]
            .filter((each) => each.textContent)
            .map((each) => { const box = each.getBoundingClientRect();
              return [each.textContent, box.left, box.top, box.right, box.bottom]; })""",
            view,
        )
        live = [each for each in boxes if each[0].endswith("↓")]
        assert len(live) == 2
        for words, left, top, right, bottom in live:
            for other, x, y, u, v in boxes:
                # lines of a box touch by a pixel or two, where no letter reaches
                apart = u <= left or right <= x or v <= top + 3 or bottom - 3 <= y
                assert other == words or apart, (words, other)


def test_the_readout_tells_all_values_of_the_nearest_step(opened):
    tab = opened()
    chart = tab.locator(".chart[data-chart=loss]")
    canvas = chart.locator("> svg")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    # near the right end lies the last step, 40
    tab.mouse.move(box["x"] + box["width"] - 15, box["y"] + 100)
    said = chart.locator(".readout")
    assert said.locator("> b").text_content() == "step 40 · assist"
    assert said.locator("div > b").all_text_contents() == ["0.025", "2.5"]
    tab.keyboard.press("Escape")
    tab.mouse.move(0, 0)
    assert said.is_hidden()


def test_the_legend_switches_curves_and_a_flow_lights_up_its_curve(opened):
    tab = opened()
    chart = tab.locator(".chart[data-chart=loss]")
    assert chart.locator(".curve").count() == 2
    top = chart.locator("text.y").last.text_content()
    chart.locator(".legend button", has_text="kl").click()
    assert chart.locator(".curve title").all_text_contents() == [
        "data.label → assistant.logits, cross_entropy"
    ]
    # what is left has the height for itself
    assert float(chart.locator("text.y").last.text_content()) < float(top)
    chart.locator(".legend button", has_text="kl").click()
    tab.locator("#knowledge .arrow.flow:not(.asleep)").last.locator(".title").first.click()
    assert chart.locator(".curve.chosen").count() == chart.locator(".curve.quiet").count() == 1
    # and a curve its flow
    chart.locator(".curve.quiet .hit").dispatch_event("click")
    flow = chart.locator(".curve.chosen").get_attribute("data-flow")
    near = {each.get_attribute("data-of") for each in tab.locator("#knowledge .near").all()}
    assert near == {flow}


def test_reloading_keeps_what_the_reader_chose(opened):
    tab = opened()
    before = paper(tab)
    tab.click("#theme")
    tab.click("[data-view=dataflow]")
    tab.select_option("#phase", label="assist")
    tab.click("#pause")
    tab.evaluate("scrollTo(0, 700)")
    tab.reload()
    assert lightness(paper(tab)) < lightness(before)
    assert tab.evaluate("scrollY") == 700
    assert tab.locator("#dataflow").is_visible() and tab.locator("#knowledge").is_hidden()
    assert tab.locator("#phase option:checked").text_content() == "assist"
    assert tab.locator("#news").text_content().startswith("paused")


def test_it_is_dark_for_those_who_want_it_and_many_classes_show_both_ends(opened):
    tab = opened(scheme="dark", running=False)
    assert lightness(paper(tab)) < 150
    assert tab.locator("#pause").count() == 0
    rows = tab.locator("#classes tbody tr")
    names = [each.split()[1] for each in rows.locator("td:first-child").all_text_contents()]
    assert names == [str(each) for each in [*range(20), *range(40, 60)]]
    tab.fill("#class-search", "class 33")
    assert rows.locator("td:first-child").all_text_contents() == ["class 33"]
