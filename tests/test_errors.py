"""One line for one mistake, sorted lines for several, and the nearest name."""

import copy
import pickle

import pytest

from graphkd.errors import (
    BlueprintError,
    ComponentError,
    Place,
    Problem,
    did_you_mean,
    listing,
    mistake,
    nearest,
    shown,
)


def test_one_mistake_is_one_line():
    assert str(mistake("is wrong", Place("a.yaml", 3, 4))) == "a.yaml:3:4: is wrong"
    assert str(mistake("is wrong", Place("a.yaml"))) == "a.yaml: is wrong"
    assert str(mistake("is wrong")) == "is wrong"
    assert str(BlueprintError(Problem("is wrong"), source="a.yaml")) == (
        "a.yaml: 1 problem\n  is wrong"
    )


def test_several_are_sorted_by_place_and_told_once():
    problems = [
        Problem("last", Place("b.yaml", 1, 1)),
        Problem("third", Place("a.yaml", 10, 1)),
        Problem("second", Place("a.yaml", 9, 12)),
        Problem("first"),
        Problem("third", Place("a.yaml", 10, 1)),
    ]
    error = BlueprintError(problems, source="a.yaml")
    assert str(error) == (
        "a.yaml: 4 problems\n"
        "  first\n"
        "  a.yaml:9:12: second\n"
        "  a.yaml:10:1: third\n"
        "  b.yaml:1:1: last"
    )
    assert [each.message for each in error.problems] == ["first", "second", "third", "last"]
    assert str(BlueprintError(problems)).startswith("4 problems\n")
    assert isinstance(error, ValueError)


@pytest.mark.parametrize("clone", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))])
def test_errors_come_whole_from_another_process(clone):
    error = BlueprintError([Problem("x", Place("a", 1, 2)), Problem("y")], source="a")
    assert str(clone(error)) == str(error)
    assert clone(error).problems == error.problems
    other = clone(ComponentError("no", field="size"))
    assert (str(other), other.field) == ("no", "size")


def test_the_nearest_name_in_any_case():
    assert nearest("teachr", ["student", "teacher"]) == "teacher"
    assert nearest("KL", ["kl", "mse"]) == "kl"
    assert nearest("CrossEntropy", ["cross_entropy"]) == "cross_entropy"
    assert nearest("xyz", ["kl"]) == ""
    assert nearest("x" * 1_000_000, ["kl"]) == ""


def test_choices_where_nothing_is_near():
    assert did_you_mean("teachr", ["teacher"]) == "; did you mean 'teacher'?"
    assert did_you_mean("x", ["a", "b", "a"]) == " (has a, b)"
    assert did_you_mean("x", "abcd", show=2) == " (has a, b, … 2 more)"
    assert did_you_mean("x", []) == ""
    assert listing(["a", "b"]) == "a, b"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "empty"),
        (True, "true"),
        (3, "3"),
        (-4.0, "-4"),
        (0.001, "0.001"),
        ("x", "'x'"),
        ("a\nb", r"'a\nb'"),
        ({}, "a mapping"),
        ([1, "x", None], "[1, 'x', empty]"),
        ((0.5, 1.0), "[0.5, 1]"),
        (list(range(11)), "a list"),
        (["x" * 60], "a list"),
        ("x" * 100, f"'{'x' * 57}…'"),
    ],
)
def test_values_are_shown_on_one_short_line(value, text):
    assert shown(value) == text
