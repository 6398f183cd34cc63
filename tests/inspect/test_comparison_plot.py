"""The picture of a comparison: what stands where."""

import math
import xml.etree.ElementTree as ET

import pytest

from graphkd.inspect.comparison.plot import LEFT, RIGHT, axis_for, comparison_svg, stack
from tests.inspect.test_comparison import THREE, comparison, entry
from tests.inspect.test_hostile import NAMES


def parts(found, tag, look):
    """List the elements of a drawing with that tag and class."""
    root = ET.fromstring(comparison_svg(found))
    every = [each for each in root.iter() if each.tag.partition("}")[2] == tag]
    return [each for each in every if each.get("class") == look]


def texts(found, look):
    return [each.text for each in parts(found, "text", look)]


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([2.0, 4.0, 6.0], [0, 1, 2, 3, 4, 5, 6]),
        ([-0.31, 1.2], [-0.5, 0.0, 0.5, 1.0, 1.5]),
        ([-1e-3, 2e-3], [-1e-3, -5e-4, 0.0, 5e-4, 1e-3, 1.5e-3, 2e-3]),
        ([40.0, math.nan, math.inf], [0, 10, 20, 30, 40]),
        ([], [-1, 0, 1]),
        ([0.0], [-1, 0, 1]),
    ],
)
def test_ticks_are_round_and_hold_all(values, ticks):
    axis = axis_for(values)
    assert axis.ticks == pytest.approx(ticks)
    assert (axis.place(axis.low), axis.place(axis.high)) == (LEFT, RIGHT)


def test_dots_stand_where_their_differences_are():
    # 2, 4 and 6 points, the interval -0.968 to 8.968: the axis from -2 to 10 has its 400 pixels
    # from 190 on, 33.333 a point
    found = comparison(entry("a", 0.5, 0.5, 0.5), entry("b", 0.52, 0.54, 0.56))
    # the last dot is the legend's
    dots = parts(found, "circle", "dot")[:-1]
    assert [each.get("cx") for each in dots] == ["323.3", "390.0", "456.7"]
    assert len({each.get("cy") for each in dots}) == 1
    said = ["seed 0: +2.00", "seed 1: +4.00", "seed 2: +6.00"]
    assert [each[0].text for each in dots] == said
    # 256.667 - 33.333 * 0.968276 and 256.667 + 33.333 * 8.968276
    bar = parts(found, "path", "interval")[0].get("d")
    assert bar.startswith("M224.4,") and "H555.6M" in bar
    diamond = parts(found, "polygon", "mean")[0].get("points")
    assert [each.split(",")[0] for each in diamond.split()] == ["384.0", "390.0", "396.0", "390.0"]
    (zero,) = parts(found, "path", "zero")
    assert zero.get("d").startswith("M256.7,")


def test_dots_are_stacked_where_they_would_overlap():
    assert stack([10.0, 100.0, 10.0, 14.0, 19.0]) == [0, 0, 1, 2, 0]
    assert stack([]) == []


def test_what_is_written():
    assert texts(THREE, "name") == ["top-1 minus that of base, in points"]
    assert texts(THREE, "title") == ["other"]
    assert texts(THREE, "title aside") == ["+400.00"]
    assert texts(THREE, "aside") == ["-96.83 to +896.83"]
    assert texts(THREE, None)[0] == (
        "base: 29.17 ± 19.09; 600 test images of digits, 3 seeds; higher is better"
    )


def test_one_seed_is_a_dot_alone():
    found = comparison(entry("a", 0.5), entry("b", 0.75), metric="ece", unequal=("x",))
    assert texts(found, "aside") == ["one seed: no interval"]
    assert not parts(found, "path", "interval") and not parts(found, "polygon", "mean")
    assert texts(found, None)[0] == (
        "a: 0.5000; 600 test images of digits, one seed: no interval; lower is better; "
        "data or budget differ"
    )


def test_a_seed_that_diverged_is_left_out():
    found = comparison(entry("a", 0.5, 0.5), entry("b", math.nan, 0.75))
    # and the legend's
    assert len(parts(found, "circle", "dot")) == 2
    assert texts(found, "aside") == ["nan to nan"]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_drawn(name):
    drawn = comparison_svg(comparison(entry(name, 0.5, 0.5), entry(f"{name}2", 0.75, 0.5)))
    drawn.encode("utf-8")
    root = ET.fromstring(drawn)
    tags = {each.tag.partition("}")[2] for each in root.iter()}
    assert tags == {"svg", "title", "style", "rect", "path", "polygon", "circle", "text"}


def test_light_and_dark():
    drawn = comparison_svg(THREE)
    assert drawn.count("@media (prefers-color-scheme:dark)") == 2
    assert drawn == comparison_svg(THREE)
