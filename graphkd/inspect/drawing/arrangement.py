"""The drawn graph before it has positions: lanes, objectives, the wires between them."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from graphkd.inspect.picture import Box

Spot = tuple[str, str]
"""Where an arrow starts or ends: a vertex, and its tap or nothing."""


@attrs.frozen
class Wire:
    """An arrow between two spots.

    Attributes:
        source: where it starts.
        target: where its head is.
        kind: `signal`, `knowledge`, `gradient` or `weights`.
    """

    source: Spot
    target: Spot
    kind: str

    @property
    def ends(self) -> tuple[Spot, Spot]:
        """The spots in the order in which values go in a forward."""
        return (self.target, self.source) if self.kind == "gradient" else (self.source, self.target)


@attrs.frozen
class Chip:
    """A small box in a lane: a tap, or a projector behind it.

    Attributes:
        spot: where its arrows start and end.
        title: its first line.
        note: its second line: what it carries.
        step: place among the taps of the lane in order of depth, from 0.
        depth: 0 for a tap, then the projectors behind it.
        row: line of the lane, from 0.
        parent: the tap or projector that it reads; None for a tap.
    """

    spot: Spot
    title: str
    note: str
    step: int
    depth: int
    row: int
    parent: Spot | None


@attrs.frozen
class Lane:
    """A node with its taps and the projectors that read them.

    Attributes:
        box: the node.
        chips: from top to bottom; none for a node with a single output.
        column: length of the longest way of inputs that leads here from other lanes.
    """

    box: Box
    chips: tuple[Chip, ...]
    column: int


@attrs.frozen
class Objective:
    """A loss or a probe.

    Attributes:
        box: the loss or probe.
        ends: who teaches whom; empty for a probe.
        weight: of its flow, as its arrow says it; empty for 1.
        more: what the reader of the picture is told beside the blueprint.
    """

    box: Box
    ends: str
    weight: str = ""
    more: str = ""


@attrs.frozen
class Arrangement:
    """The drawn graph in order.

    Attributes:
        lanes: from top to bottom: who teaches stands above who learns.
        objectives: losses, then probes, from top to bottom.
        data: the taps of the data, with what they carry.
        wires: all arrows.
    """

    lanes: tuple[Lane, ...]
    objectives: tuple[Objective, ...]
    data: Mapping[Spot, str]
    wires: tuple[Wire, ...]
