"""Paired differences and intervals, by hand; the table in its three forms."""

import json
import math
import re

import attrs
import pytest
from rich.console import Console

from graphkd.inspect.comparison.data import (
    METRICS,
    Comparison,
    Entry,
    Origin,
    Spread,
    comparison_data,
    spread,
)
from graphkd.inspect.comparison.files import (
    comparison_html,
    comparison_markdown,
    strict,
    write_comparison,
)
from graphkd.inspect.comparison.table import terminal_table

ORIGIN = Origin("graphkd compare a b", "2026-01-02", "a CPU", {"Python": "3.11.7", "torch": "2.12"})


def entry(name, *scores, parameters=1000, **other):
    """Make what was measured of one blueprint: top-1 and, equal to it, the rest."""
    measures = {seed: dict.fromkeys(METRICS, score) for seed, score in enumerate(scores)}
    settings = {"steps": 30, "all_steps": 50, "digest": "ab", **other}
    return Entry(name, "student", parameters, measures=measures, **settings)


def comparison(*entries, metric="top1", **other):
    """Compare with the first."""
    made = Comparison(
        METRICS[metric],
        entries[0].name,
        tuple(entries[0].measures),
        entries,
        "digits",
        600,
        unequal=(),
        origin=ORIGIN,
    )
    return attrs.evolve(made, **other)


# differences 2, 4, 6: mean 4, variance (4 + 0 + 4) / 2 = 4, sd 2, sd / sqrt(3) = 1.154701;
# t(0.975, 2) = 4.302653, so that half the interval is 4.968276
HALF = 4.968276
THREE = comparison(entry("base", 0.5, 0.25, 0.125), entry("other", 2.5, 4.25, 6.125))


def test_paired_differences_by_hand():
    found = THREE.paired(THREE.entries[1])
    assert found.differences == {0: 2.0, 1: 4.0, 2: 6.0}
    assert (found.spread.mean, found.spread.sd) == (4.0, 2.0)
    assert found.spread.low == pytest.approx(4 - HALF, abs=1e-6)
    assert found.spread.high == pytest.approx(4 + HALF, abs=1e-6)
    assert (found.ahead, found.level) == (3, 0)


def test_five_numbers_by_hand():
    # mean 3, variance (4 + 1 + 0 + 1 + 4) / 4 = 2.5; t(0.975, 4) = 2.776445
    found = spread([1.0, 2.0, 3.0, 4.0, 5.0])
    half = 2.776445 * math.sqrt(2.5 / 5)
    assert found.low == pytest.approx(3 - half, abs=1e-6)
    assert found.high == pytest.approx(3 + half, abs=1e-6)


def test_two_numbers_by_hand():
    # sd sqrt(2), sd / sqrt(2) = 1; t(0.975, 1) = tan(0.475 pi) = 12.706205
    found = spread([0.0, 2.0])
    assert found.high == pytest.approx(1 + math.tan(0.475 * math.pi), abs=1e-6)


def test_equal_differences_have_an_interval_of_no_width():
    assert spread([0.5, 0.5, 0.5]) == Spread(0.5, 0.0, 0.5, 0.5)


def test_one_seed_has_no_interval():
    assert spread([0.5]) == Spread(0.5, None, None, None)


def test_a_seed_that_diverged_makes_no_number():
    found = spread([0.5, math.inf])
    assert all(math.isnan(each) for each in (found.mean, found.sd, found.low, found.high))
    assert spread([math.nan]).sd is None


def test_where_lower_is_better_a_smaller_number_is_ahead():
    made = comparison(entry("a", 2.0, 2.0, 2.0), entry("b", 1.0, 2.0, 3.0), metric="nll")
    found = made.paired(made.entries[1])
    assert found.differences == {0: -1.0, 1: 0.0, 2: 1.0}
    assert (found.ahead, found.level) == (1, 1)


def test_another_blueprint_may_be_the_baseline():
    made = attrs.evolve(THREE, baseline="other")
    assert [each.name for each in made.others()] == ["base"]
    assert made.paired(made.entries[0]).spread.mean == -4.0


def test_data_for_scripts():
    found = comparison_data(THREE)
    assert {key: found[key] for key in ("metric", "baseline", "seeds", "confidence")} == {
        "metric": {"key": "top1", "better": "higher"},
        "baseline": "base",
        "seeds": [0, 1, 2],
        "confidence": 0.95,
    }
    base, other = found["blueprints"]["base"], found["blueprints"]["other"]
    assert base["difference"] is None
    assert other["mean"] == pytest.approx((2.5 + 4.25 + 6.125) / 3)
    difference = other["difference"]
    assert difference.pop("low") == pytest.approx(4 - HALF, abs=1e-6)
    assert difference.pop("high") == pytest.approx(4 + HALF, abs=1e-6)
    assert difference == {
        "mean": 4.0,
        "sd": 2.0,
        "ahead": 3,
        "level": 0,
        "seeds": {"0": 2.0, "1": 4.0, "2": 6.0},
    }
    assert found["origin"]["command"] == "graphkd compare a b"


def test_json_holds_no_nan():
    made = comparison(entry("a", 1.0, 1.0), entry("b", math.nan, 1.0))
    text = json.dumps(strict(comparison_data(made)), allow_nan=False)
    assert json.loads(text)["blueprints"]["b"]["difference"]["mean"] == "nan"


def test_markdown_in_full():
    made = comparison(
        entry("born_again", 0.5, 0.5),
        entry("_b|c_", 0.75, 0.5, parameters=1500),
        unequal=("mixup: 0 (born_again), 1 (_b|c_)",),
    )
    # differences 25 and 0 points: mean 12.5, sd 17.68, half 12.706205 * 12.5 = 158.83
    assert comparison_markdown(made).splitlines() == [
        "| blueprint  | top-1 %       | minus born_again | 95% interval       "
        "| ahead           | steps | all steps | parameters |",
        "| ---        | ---:          | ---:             | ---:               "
        "| ---:            | ---:  | ---:      | ---:       |",
        "| born_again | 50.00 ± 0.00  | baseline         |                    "
        "|                 | 30    | 50        | 1 k        |",
        r"| \_b\|c\_   | 62.50 ± 17.68 | +12.50           | -146.33 to +171.33 "
        "| 1 of 2, 1 level | 30    | 50        | 1.5 k      |",
        "",
        "top-1 % of the student on 600 test images of digits, mean ± sd over seeds 0, 1; higher "
        "is better. Differences in points are taken seed by seed. Steps are those in which the "
        "student learns.",
        "",
        "Intervals are Student's at 95%, over the seeds: they do not tell how another test split "
        "would come out. Each stands for itself.",
        "",
        r"Data or budget differ: mixup: 0 (born_again), 1 (\_b\|c\_).",
        "",
        r"The students differ in parameters: 1 k (born_again), 1.5 k (\_b\|c\_).",
        "",
        r"![\_b\|c\_ beside born_again](comparison.svg)",
        "",
        "```sh",
        "graphkd compare a b",
        "```",
        "",
        "2026-01-02, a CPU, Python 3.11.7, torch 2.12.",
    ]


def test_one_seed_says_so():
    made = comparison(entry("a", 0.5), entry("b", 0.75))
    text = comparison_markdown(made)
    assert "| b         | 75.00   | +25.00   |              | 1 of 1 |" in text
    assert "of digits, seed 0; higher" in text
    assert "\n\nOne seed: no interval.\n\n" in text
    assert "±" not in text


def test_the_terminal_shows_every_number_in_80_signs():
    console = Console(width=80, force_terminal=False)
    scores = [0.9, 0.91, 0.89]
    with console.capture() as shown:
        console.print(terminal_table(comparison(entry("alone", *scores), entry("x", *scores))))
    lines = shown.get().splitlines()
    row = next(line for line in lines if line.startswith(" x "))
    shown_row = "x 90.00 ± 1.00 +0.00 +0.00 to +0.00 0 of 3, 3 level 30"
    assert " ".join(row.split()) == shown_row


def test_html_escapes_names_and_links_runs():
    hostile = '<img src=x onerror="alert(1)">'
    report = {0: f"{hostile}/seed0/report.html"}
    made = comparison(
        entry("a", 0.5),
        entry(hostile, 0.25, reports=report),
        unequal=("<script>",),
        origin=attrs.evolve(ORIGIN, command="graphkd compare '<b>'", processor="<i>"),
    )
    # what comes behind is the page's own script
    page, _, _ = comparison_html(made).partition('<script type="application/json"')
    for text in ("<img", "<script", "<b>", "<i>", 'x"'):
        assert text not in page
    assert "&lt;img src=x" in page
    assert 'href="%3Cimg%20src%3Dx%20onerror%3D%22alert%281%29%22%3E/seed0/report.html"' in page
    # nothing is fetched from elsewhere
    assert "://" not in page.replace("http://www.w3.org/2000/svg", "")


def test_files(tmp_path):
    paths = write_comparison(THREE, tmp_path)
    names = ["comparison.json", "comparison.md", "comparison.svg", "comparison.html"]
    assert [path.name for path in paths] == names
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert json.loads(paths[0].read_text()) == strict(comparison_data(THREE))
    # the page draws the same, in the colours that its reader chooses
    drawn = re.sub(r"<style>.*?</style>\n", "", paths[2].read_text()).strip()
    assert drawn in paths[3].read_text()


def test_the_page_shows_how_the_runs_came_there(tmp_path):
    place = tmp_path / "a" / "seed0"
    place.mkdir(parents=True)
    records = [
        {"step": n, "validation/student/top1": n / 4, "validation/t/top1": 1} for n in (1, 2)
    ]
    (place / "metrics.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records))
    reports = {0: "a/seed0/report.html", 1: "gone/report.html"}
    made = comparison(entry("a", 0.5, 0.5, reports=reports), entry("b", 0.5, 0.5))
    write_comparison(made, tmp_path)
    page = (tmp_path / "comparison.html").read_text()
    facts = json.loads(re.search(r'id="facts">(.*?)</script>', page)[1])
    (chart,) = facts["charts"]
    (curve,) = chart["curves"]
    assert curve["name"] == "a, seed 0"
    assert (curve["steps"], curve["values"]) == ([1, 2], [25.0, 50.0])
