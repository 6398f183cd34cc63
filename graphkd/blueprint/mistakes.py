"""What is wrong with a value, before it is known how the value is called and where it stands."""

from __future__ import annotations

import attrs

from graphkd.blueprint.located import Where


@attrs.frozen
class Mistake:
    """What is wrong with one value.

    Attributes:
        said: `is 'x', not a number`; the value's name goes before it.
        sentence: whether `said` is all there is to say, without the value's name.
        key: whether the key is at fault, so that its place is the one to show.
    """

    said: str
    sentence: bool = False
    key: bool = False


class Mistakes(ValueError):
    """Several mistakes, each with the way to it from here."""

    def __init__(self, found: list[tuple[Where, Mistake]]) -> None:
        super().__init__(found)
        self.found = found


def wrong(said: str) -> Mistakes:
    """Say what is wrong with the value at hand."""
    return Mistakes([((), Mistake(said))])
