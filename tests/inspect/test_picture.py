"""What a picture shows of nodes that lend their weights."""

import pytest

from graphkd.blueprint import load
from graphkd.compile import analyse
from graphkd.inspect.picture import picture


@pytest.mark.parametrize(
    ("name", "lender", "borrower", "tap"),
    [("tas", "student", "assistant", "stage3"), ("tcs", "student", "head", "embedding")],
)
def test_a_tap_that_is_read_and_lent_is_one_arrow(name, lender, borrower, tap):
    _, arrows = picture(analyse(load(name)))
    between = [each for each in arrows if (each.source, each.target) == (lender, borrower)]
    assert [(each.kind, each.text) for each in between] == [("signal", tap)]


def test_what_is_lent_and_not_read_stays_an_arrow():
    _, arrows = picture(analyse(load("tas")))
    between = [each for each in arrows if (each.source, each.target) == ("teacher", "assistant")]
    assert [(each.kind, each.text) for each in between] == [("weights", "late")]


def test_lenders_stand_in_the_order_of_the_fields():
    boxes, _ = picture(analyse(load("tas")))
    (assistant,) = (each for each in boxes if each.name == "assistant")
    assert assistant.notes[:3] == (
        "hybrid_assistant",
        "early student.stage3",
        "late teacher.stage4",
    )
