"""Data sets that are open: the blueprint's own, and those that join its training batches."""

from __future__ import annotations

from typing import Any

import attrs

from graphkd.blueprint import Blueprint
from graphkd.blueprint.model import Where
from graphkd.compile.plan import PhasePlan
from graphkd.compile.wiring import DATA
from graphkd.component import DataSpec, Samples, Splits
from graphkd.errors import ComponentError, mistake
from graphkd.graph import VIEWS
from graphkd.run.data import Parts, prepare_splits
from graphkd.run.extra import open_extra


@attrs.frozen(eq=False)
class Opened:
    """A data set that is open, and divided for one seed.

    Attributes:
        blueprint: whose data it is.
        spec: its images and classes.
        parts: training, validation and test, kept apart.
        extras: further data sets that phases opened so far, each with its training images.
    """

    blueprint: Blueprint
    spec: DataSpec
    parts: Parts
    extras: list[tuple[Any, Samples]] = attrs.field(factory=list, repr=False)


def open_splits(blueprint: Blueprint) -> Splits:
    """Open a blueprint's data set.

    Raises:
        BlueprintError: files are absent, or a split is empty.
    """
    try:
        splits: Splits = blueprint.data.dataset.splits(blueprint.folder)
    except ComponentError as error:
        raise _data_mistake(blueprint, error) from error
    return splits


def divide(blueprint: Blueprint, splits: Splits, *, seed: int) -> Opened:
    """Keep validation apart from training; reads no image.

    Args:
        blueprint: says how much validation gets where the data set has none.
        splits: of its data set.
        seed: of the run.

    Raises:
        BlueprintError: a split is empty, or training has too few samples.
    """
    data = blueprint.data
    try:
        spec: DataSpec = data.dataset.spec(blueprint.folder)
        parts = prepare_splits(splits, validation=data.validation, seed=seed)
    except ComponentError as error:
        raise _data_mistake(blueprint, error) from error
    taps = ("source", *_views_in(blueprint))
    validation, test = (attrs.evolve(each, taps=taps) for each in (parts.validation, parts.test))
    return Opened(blueprint, spec, attrs.evolve(parts, validation=validation, test=test))


def _views_in(blueprint: Blueprint) -> list[str]:
    """Name the views that a blueprint reads."""
    refs = [ref for node in blueprint.nodes.values() for ref in (*node.input, *node.extra.values())]
    for flow in blueprint.flows:
        refs += [flow.source, flow.to, *flow.extra.values()]
    read = {ref.tap for ref in refs if ref.node == DATA}
    return [tap for tap in VIEWS if tap in read]


def _data_mistake(blueprint: Blueprint, error: ComponentError) -> Exception:
    return mistake(f"data: {error}", blueprint.place("data", error.field or "dataset"))


def extras_of(opened: Opened, plan: PhasePlan) -> list[Samples]:
    """Open the further data sets of a phase, each once in a run.

    Raises:
        BlueprintError: one cannot be opened, or does not go with the data set.
    """
    known, blueprint = opened.extras, opened.blueprint
    found = []
    for number, extra in enumerate(plan.data.extra):
        samples = next((each for made, each in known if made == extra.component), None)
        if samples is None:
            try:
                samples = open_extra(extra, opened.spec.image, blueprint.folder)
            except ComponentError as error:
                where = setting_path(blueprint, plan, f"extra.{number}.{error.field or 'dataset'}")
                text = f"data: extra {number + 1}: {error}"
                raise mistake(text, blueprint.place(*where)) from error
            known.append((extra.component, samples))
        found.append(samples)
    return found


def setting_path(blueprint: Blueprint, plan: PhasePlan, dotted: str) -> Where:
    """Turn `key.number.key` into the path of a data setting of a phase."""
    way = tuple(int(part) if part.isdigit() else part for part in dotted.split("."))
    if way[0] in plan.phase.data:
        return ("phases", blueprint.phases.index(plan.phase), "data", *way)
    return ("data", *way)
