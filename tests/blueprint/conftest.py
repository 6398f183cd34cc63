"""How the tests here ask for what is wrong with a text."""

import pytest

from graphkd.blueprint import loads
from graphkd.errors import BlueprintError

MARK = "§"


@pytest.fixture
def mistakes():
    """Load a text and return its mistakes, one a line; each of them has a place."""

    def find(text):
        with pytest.raises(BlueprintError) as raised:
            loads(text, name="b.yaml")
        assert all(each.place for each in raised.value.problems)
        return [str(each) for each in raised.value.problems]

    return find


@pytest.fixture
def mistake(mistakes):
    """Load a text with a single mistake, at the mark in it, and return what is said of it."""

    def find(marked):
        before, _, after = marked.partition(MARK)
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        (said,) = mistakes(before + after)
        place = f"b.yaml:{line}:{column}: "
        assert said.startswith(place), f"{said} is not at {place}"
        return said.removeprefix(place)

    return find
