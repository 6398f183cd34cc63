"""Rules of fits: the pass shows enough samples."""

from __future__ import annotations

from collections.abc import Iterator

from graphkd.blueprint.model import Data, data_of
from graphkd.compile.phases import phases_of
from graphkd.component import DataSpec, name_of
from graphkd.errors import Problem
from graphkd.graph import Graph, blueprint_of, problem, vertex


def too_few_samples(graph: Graph) -> Iterator[Problem]:
    """What says how many samples its fit needs gets as many, as far as is known beforehand."""
    spec = graph.graph["data_spec"]
    if spec is None:
        return
    blueprint = blueprint_of(graph)
    for index, phase in enumerate(phases_of(blueprint)):
        shown = _most_shown(data_of(blueprint, phase), spec)
        for position, name in enumerate(phase.fit):
            component = vertex(graph, name).component if name in graph else None
            needed = getattr(component, "least_samples", 0)
            if shown is not None and shown < needed:
                text = (
                    f"phase '{phase.name}': {name_of(component)} '{name}' needs {needed} samples "
                    f"or more, and the phase shows {shown} at most; ask less of '{name}', or show "
                    "more of the data in this phase"
                )
                yield problem(graph, text, ("phases", index, "fit", position))


def _most_shown(data: Data, spec: DataSpec) -> int | None:
    """Say how many samples a pass shows at most; None where only reading the data tells."""
    known = [data.subset, spec.samples]
    if data.labelled_only and data.labels_per_class:
        known.append(data.labels_per_class * spec.classes)
    counts = [each for each in known if each is not None]
    return min(counts) if counts else None
