"""What stands in which lane of the drawn graph, and in what order; positions come later."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import networkx as nx

from graphkd.component import Socket
from graphkd.graph import Graph, flow_of, vertex
from graphkd.inspect.drawing.arrangement import Arrangement, Chip, Lane, Objective, Spot, Wire
from graphkd.inspect.picture import Arrow, Box, brief_weight, picture
from graphkd.inspect.text import one_line

OBJECTIVES = ("loss", "probe")


NOTHING: Mapping[str, str] = MappingProxyType({})


def arrange(graph: Graph, *, more: Mapping[str, str] = NOTHING) -> Arrangement:
    """Put the boxes of a graph into lanes, columns and an order.

    Args:
        graph: inferred.
        more: a line for the box of a loss or probe, by its vertex.
    """
    return _Arranger(graph, more).arrange()


class _Arranger:
    def __init__(self, graph: Graph, more: Mapping[str, str]) -> None:
        drawn, arrows = picture(graph)
        self.graph = graph
        self.more = more
        self.boxes = {box.name: box for box in drawn}
        self.wires = tuple(dict.fromkeys(map(self._wire, arrows)))
        self.values = [wire.ends for wire in self.wires if wire.kind != "weights"]
        self.parents = self._parents()

    def arrange(self) -> Arrangement:
        inputs = self._inputs()
        layers = enumerate(nx.topological_generations(inputs))
        columns = {name: column for column, layer in layers for name in layer}
        lanes = tuple(
            Lane(self.boxes[name], tuple(self._chips(name)), columns[name])
            for name in self._ordered(inputs)
        )
        read = {source: None for source, _ in self.values}
        data = {spot: self._carried(spot) for spot in read if self.boxes[spot[0]].kind == "data"}
        return Arrangement(lanes, self._objectives(lanes), data, self.wires)

    def _wire(self, arrow: Arrow) -> Wire:
        if arrow.kind == "gradient":
            return Wire((arrow.source, ""), self._spot(arrow.target, arrow.text), arrow.kind)
        tap = "" if arrow.kind == "weights" else arrow.text
        return Wire(self._spot(arrow.source, tap), (arrow.target, ""), arrow.kind)

    def _spot(self, name: str, tap: str) -> Spot:
        return name, tap if self.boxes[name].kind in ("model", "data") else ""

    def _parents(self) -> dict[str, Spot]:
        """Find for each projector that reads one tap of a node the tap that it stands behind."""
        found: dict[str, Spot] = {}
        for name, box in self.boxes.items():
            read = [source for source, target in self.values if target == (name, "")]
            if box.kind == "projector" and len(read) == 1:
                (source,) = read
                # of projectors that read each other, which is a mistake, one has a lane
                if self.boxes[source[0]].kind != "data" and _root(found, source[0]) != name:
                    found[name] = source
        return found

    def _home(self, name: str) -> str:
        """Name the lane that a vertex stands in."""
        return _root(self.parents, name)

    def _inputs(self) -> nx.DiGraph:
        """Make the graph of the lanes, with their inputs from one another."""
        others = ("data", *OBJECTIVES)
        lanes = nx.DiGraph()
        lanes.add_nodes_from(
            name
            for name, box in self.boxes.items()
            if name not in self.parents and box.kind not in others
        )
        for (source, _), (target, _) in self.values:
            pair = self._home(source), self._home(target)
            both = pair[0] in lanes and pair[1] in lanes
            # a cycle of inputs is a mistake, and drawn too; a lane alone is one here
            if both and not nx.has_path(lanes, pair[1], pair[0]):
                lanes.add_edge(*pair)
        return lanes

    def _ordered(self, inputs: nx.DiGraph) -> list[str]:
        """Order lanes so that inputs and knowledge go down, else as in the blueprint."""
        places = {name: index for index, name in enumerate(self.boxes)}
        above = inputs.copy()
        for name, box in self.boxes.items():
            if box.kind == "loss":
                for source, target in self._lessons(name):
                    if source in inputs and target in inputs:
                        above.add_edge(source, target)
        # who teach each other form one group, in the order of the blueprint
        groups = nx.condensation(above)
        members = [sorted(groups.nodes[each]["members"], key=places.__getitem__) for each in groups]
        order = nx.lexicographical_topological_sort(groups, lambda each: places[members[each][0]])
        return [name for group in order for name in members[group]]

    def _lessons(self, loss: str) -> Iterator[tuple[str, str]]:
        """Go through the lanes that a loss teaches from, each with each that it teaches."""
        ports = [wire for wire in self.wires if (loss, "") in (wire.source, wire.target)]
        for knowledge in ports:
            for learner in ports:
                if knowledge.kind != "gradient" and learner.kind == "gradient":
                    yield self._home(knowledge.source[0]), self._home(learner.target[0])

    def _chips(self, lane: str) -> Iterator[Chip]:
        """Place the taps of a lane that somebody reads, and the projectors behind them."""
        taps = vertex(self.graph, lane).taps
        depths = {one_line(tap): _depth(tap, socket) for tap, socket in taps.items()}
        read = list(dict.fromkeys(source for source, _ in self.values if source[0] == lane))
        single = self.boxes[lane].kind != "model"
        if single and not any(spot in self.parents.values() for spot in read):
            return
        row = 0
        for step, spot in enumerate(sorted(read, key=lambda each: depths.get(each[1], ()))):
            root = Chip(spot, spot[1] or "output", self._carried(spot), step, 0, row, None)
            for chip in self._branch(root):
                yield chip
                row = chip.row + 1

    def _branch(self, root: Chip) -> Iterator[Chip]:
        """Place what stands behind a chip: beside it if nothing else leaves it, else below."""
        yield root
        behind = [(name, "") for name, parent in self.parents.items() if parent == root.spot]
        readers = [target for source, target in self.values if source == root.spot]
        row = root.row + any(each not in behind for each in readers)
        for spot in behind:
            title, note = self.boxes[spot[0]].title, self._carried(spot)
            made = Chip(spot, title, note, root.step, root.depth + 1, row, root.spot)
            for chip in self._branch(made):
                yield chip
                row = chip.row + 1

    def _carried(self, spot: Spot) -> str:
        """Say what a tap carries, or a projector makes and how large it is."""
        name, tap = spot
        taps = vertex(self.graph, name).taps
        named = {one_line(each): socket for each, socket in taps.items()}
        socket = named.get(tap, next(iter(taps.values()), None))
        notes = self.boxes[name].notes if self.boxes[name].kind == "projector" else ()
        classes = f"{socket.classes} classes" if socket and socket.classes else ""
        return ", ".join(filter(None, (str(socket or ""), classes, *notes)))

    def _objectives(self, lanes: tuple[Lane, ...]) -> tuple[Objective, ...]:
        """Order losses, then probes, by the mean height of what they read."""
        heights: dict[Spot, float] = {}
        start = 0
        for lane in lanes:
            heights[lane.box.name, ""] = start
            heights |= {chip.spot: start + chip.row for chip in lane.chips}
            start += 1 + len(lane.chips)

        def key(box: Box) -> tuple[bool, float]:
            read = [heights[a] for a, b in self.values if b == (box.name, "") and a in heights]
            return box.kind == "probe", sum(read) / max(len(read), 1)

        boxes = [box for box in self.boxes.values() if box.kind in OBJECTIVES]
        return tuple(self._objective(box) for box in sorted(boxes, key=key))

    def _objective(self, box: Box) -> Objective:
        more = one_line(self.more.get(box.name, ""))
        if box.kind == "probe":
            return Objective(box, "", more=more)
        flow = flow_of(self.graph, vertex(self.graph, box.name))
        ends = one_line(f"{flow.source} → {flow.to}")
        return Objective(box, ends, brief_weight(flow.weight), more)


def _root(parents: Mapping[str, Spot], name: str) -> str:
    while name in parents:
        name = parents[name][0]
    return name


def _depth(tap: str, socket: Socket | None) -> tuple[Any, ...]:
    """Guess how deep in its model a tap lies: large grids first, then by number, the head last."""
    late = {"tokens": 1, "embedding": 2, "logits": 3}.get(tap, 0)
    height, width = socket.spatial or (0, 0) if socket else (0, 0)
    parts = [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", tap)]
    return late, -height * width, parts
