"""Rules of fits: the pass shows enough samples, and those that are asked for later."""

from __future__ import annotations

from collections.abc import Iterator

from graphkd.blueprint.model import Data, data_of
from graphkd.compile.phases import alive_losses, phases_of
from graphkd.component import DataSpec, name_of, ports_of
from graphkd.errors import Problem
from graphkd.graph import Graph, Vertex, above, blueprint_of, problem, vertex, vertices


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


def unseen_samples(graph: Graph) -> Iterator[Problem]:
    """What was fitted sample by sample is read of training samples of the data set alone."""
    blueprint = blueprint_of(graph)
    tables = {each.name for each in vertices(graph) if _knows_samples(each)}

    def known_by(name: str) -> str:
        return (
            f"{name_of(vertex(graph, name).component)} '{name}' knows the samples of its fit alone"
        )

    for index, phase in enumerate(phases_of(blueprint)):
        if data_of(blueprint, phase).extra:
            inner = ("phases", index, "data") if "extra" in phase.data else ("data",)
            read = above(graph, alive_losses(graph, phase), "signal", "knowledge", "learner")
            for name in sorted(tables & read):
                text = f"phase '{phase.name}': {known_by(name)}, and no images of extra; drop one"
                yield problem(graph, f"{text} of the two", (*inner, "extra"))
    for probe in vertices(graph, "probe"):
        for name in sorted(tables & above(graph, [probe.name], "signal")):
            text = f"node '{probe.name}': {known_by(name)}, and no samples of an evaluation"
            yield problem(graph, f"{text}; read what '{name}' reads", probe.where)


def _knows_samples(each: Vertex) -> bool:
    """Say whether a vertex is fitted, and then asked by the samples' index."""
    fitted = getattr(each.component, "fits", False)
    return fitted and any(
        port.name == "index" and not port.fit for port in ports_of(each.component)
    )
