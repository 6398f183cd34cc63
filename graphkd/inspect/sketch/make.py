"""Put together what can be drawn of a faulty blueprint, and what is wrong with which part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs

from graphkd.blueprint.load import load
from graphkd.blueprint.model import Blueprint, Where
from graphkd.compile.passes import analyse
from graphkd.errors import BlueprintError, Place, Problem
from graphkd.graph import Graph
from graphkd.inspect.sketch.mend import mended
from graphkd.inspect.sketch.owners import key_at, owner_of, start_of
from graphkd.inspect.sketch.placeholder import UNKNOWN
from graphkd.inspect.sketch.reading import Reading, read_partly
from graphkd.inspect.sketch.wire import vertices_of, wired


@attrs.frozen
class Finding:
    """A problem, and what it concerns.

    Attributes:
        number: of the problem, from 1, in the order in which all commands list them.
        problem: what is wrong, and where it stands.
        vertices: names of what is drawn for the node or flow that it lies in; none for all else.
    """

    number: int
    problem: Problem
    vertices: tuple[str, ...]


@attrs.frozen
class Sketch:
    """What can be drawn of a blueprint that has problems.

    Attributes:
        name: of the blueprint, or of its file.
        findings: all problems.
        graph: what is drawn; None when nothing can be.
        lines: text of the file.
        checked: whether the compiler has checked it; else only what the file says is.
    """

    name: str
    findings: tuple[Finding, ...]
    graph: Graph | None
    lines: tuple[str, ...]
    checked: bool

    def numbers(self) -> dict[str, tuple[int, ...]]:
        """Return the numbers of the problems that each marked vertex has."""
        found: dict[str, tuple[int, ...]] = {}
        for each in self.findings:
            for name in each.vertices:
                found[name] = (*found.get(name, ()), each.number)
        return found


def sketch(
    path: str | Path, overrides: Iterable[str] = (), *, error: BlueprintError
) -> Sketch | None:
    """Read of a faulty blueprint what can be read.

    Args:
        path: the file, as `load` takes it.
        overrides: as `load` takes them.
        error: what loading or compiling it raised.

    Returns:
        What can be drawn; None where there is no such file, or it is no text.
    """
    words = tuple(overrides)
    reading = read_partly(path, words)
    if reading is None:
        return None
    blueprint = _loaded(path, words)
    graph, places = _graph(blueprint, reading)
    name = reading.file.name
    if graph is not None and graph.graph["blueprint"].blueprint:
        name = graph.graph["blueprint"].blueprint
    findings = _findings(error.problems, reading, graph, places)
    return Sketch(name, findings, graph, reading.lines, checked=blueprint is not None)


def _loaded(path: str | Path, words: Sequence[str]) -> Blueprint | None:
    """Load a blueprint in whose file nothing is wrong."""
    try:
        return load(path, words)
    except BlueprintError:
        return None


def _graph(
    blueprint: Blueprint | None, reading: Reading
) -> tuple[Graph | None, Mapping[Where, Place]]:
    """Make the graph that is drawn; where the parts of the blueprint were written."""
    if blueprint is None:
        located = reading.located
        if located is None:
            return None, {}
        places = located.places()
        made = mended(located.value, places, reading.folder)
        return _if_any(made, wired(made)), places
    return _if_any(blueprint, wired(blueprint, analyse(blueprint))), blueprint.places


def _if_any(blueprint: Blueprint, graph: Graph) -> Graph | None:
    """Leave out a drawing without a node."""
    return graph if blueprint.nodes or blueprint.flows else None


def _findings(
    problems: Sequence[Problem],
    reading: Reading,
    graph: Graph | None,
    places: Mapping[Where, Place],
) -> tuple[Finding, ...]:
    found = []
    for number, each in enumerate(problems, 1):
        names = _concerned(each, reading, graph, places) if graph is not None else ()
        found.append(Finding(number, each, names))
    return tuple(found)


def _concerned(
    problem: Problem, reading: Reading, graph: Graph, places: Mapping[Where, Place]
) -> tuple[str, ...]:
    """Name the vertices of the node or flow that a problem lies in."""
    place, file = problem.place, str(reading.file)
    if reading.lost and place is not None:
        # what is no YAML may begin above the place where that shows
        lost = [number for number in reading.lost if number <= place.line]
        starts = [start_of(reading.lines[number - 1], number, file) for number in lost]
        names = [name for start in starts for name in _begun(start, reading, graph, places)]
        return tuple(dict.fromkeys(names))
    lines = reading.lines if place is not None and place.file == file else ()
    return vertices_of(graph, owner_of(place, places, lines=lines))


def _begun(
    start: Place, reading: Reading, graph: Graph, places: Mapping[Where, Place]
) -> tuple[str, ...]:
    """Name the vertices of what a line that could not be read belongs to, or is itself."""
    box = f"{key_at(start, reading.lines)}{UNKNOWN}"
    if box in graph:
        return (box,)
    return vertices_of(graph, owner_of(start, places, lines=reading.lines))
