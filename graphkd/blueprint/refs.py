"""How a blueprint names the taps of its nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs


@attrs.frozen
class Ref:
    """A tap of a node, written `teacher.logits`.

    Attributes:
        node: name of the node, or `data`.
        tap: name of the tap; empty for a node with a single output.
    """

    node: str
    tap: str = ""

    @classmethod
    def parse(cls, text: str) -> Ref:
        """Read `node.tap`; a tap may hold dots (`student.layer1.0.conv1`)."""
        node, _, tap = text.partition(".")
        return cls(node, tap)

    def __str__(self) -> str:
        """Write `node.tap`."""
        return f"{self.node}.{self.tap}" if self.tap else self.node


@attrs.frozen
class Handle:
    """A node in the Python form; its attributes are its taps: `teacher.logits`.

    Attributes:
        name: name of the node.
    """

    name: str

    def __getattr__(self, tap: str) -> Ref:
        """Refer to a tap."""
        if tap.startswith("__"):
            raise AttributeError(tap)
        return Ref(self.name, tap)

    def __getitem__(self, tap: str) -> Ref:
        """Refer to a tap whose name is no Python word: `student["layer1.0"]`."""
        return Ref(self.name, tap)


Source = Ref | Handle | str
"""What the Python form takes for a tap; a handle alone is a node with a single output."""


def as_ref(source: Source) -> Ref:
    """Return the tap."""
    if isinstance(source, Ref):
        return source
    return Ref(source.name) if isinstance(source, Handle) else Ref.parse(source)


def as_refs(sources: Source | Iterable[Source]) -> tuple[Ref, ...]:
    """Return the taps, of one or of several."""
    if isinstance(sources, Source):
        return (as_ref(sources),)
    return tuple(as_ref(each) for each in sources)


def as_ref_map(sources: Mapping[str, Source]) -> dict[str, Ref]:
    """Return the taps by name."""
    return {name: as_ref(each) for name, each in sources.items()}


def as_names(names: str | Handle | Iterable[str | Handle]) -> tuple[str, ...]:
    """Return the names, of one thing or of several."""
    several = [names] if isinstance(names, (str, Handle)) else names
    return tuple(each.name if isinstance(each, Handle) else each for each in several)
