"""Rules of data: labels are there for those who read them."""

from __future__ import annotations

from collections.abc import Iterator

from graphkd.blueprint.model import Data, Where, data_of
from graphkd.compile.batch import readers_of
from graphkd.compile.phases import phases_of
from graphkd.compile.wiring import DATA
from graphkd.component import name_of
from graphkd.errors import Problem
from graphkd.graph import (
    Graph,
    blueprint_of,
    describe_vertex,
    edges_into,
    problem,
    vertices,
)


def mixing(graph: Graph) -> Iterator[Problem]:
    """What is mixed has a label and a partner, and what is left out has a reason."""
    blueprint = blueprint_of(graph)
    for index, phase in enumerate(phases_of(blueprint)):
        where: Where = ("phases", index, "data") if phase.data else ("data",)
        labelled = any(edge.tap == "label" for _, edge in readers_of(graph, DATA, phase))
        for text, key in _mistakes(data_of(blueprint, phase), labelled=labelled):
            yield problem(graph, f"data: {text}", (*where, key))


def _mistakes(data: Data, *, labelled: bool) -> Iterator[tuple[str, str]]:
    """Give what is wrong, and the key at fault."""
    key = "mixup" if data.mixup else "cutmix"
    mixes = bool(data.mixup or data.cutmix)
    if mixes and labelled and data.labels_per_class and not data.labelled_only:
        yield (
            f"{key} mixes labels, but some are hidden; write labelled_only: true, or drop {key}",
            key,
        )
    if mixes and data.batch_size % 2:
        text = f"{key} pairs samples, and {data.batch_size} is odd; try {data.batch_size + 1}"
        yield text, "batch_size"
    if data.labelled_only and not data.labels_per_class:
        yield "labelled_only leaves nothing out; write labels_per_class too", "labelled_only"


def labels(graph: Graph) -> Iterator[Problem]:
    """A data set without labels is read for its images alone."""
    spec = graph.graph["data_spec"]
    if spec is None or spec.classes:
        return
    data_set = name_of(blueprint_of(graph).data.dataset)
    for each in vertices(graph):
        for source, edge in edges_into(graph, each.name):
            if source == "data" and edge.tap == "label":
                text = (
                    f"{describe_vertex(each)}: {name_of(each.component)} reads labels, but data "
                    f"set '{data_set}' has none; read another tap, or take another data set"
                )
                yield problem(graph, text, edge.where)
