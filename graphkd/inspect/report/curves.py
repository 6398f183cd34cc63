"""The numbers of a run's records as charts, for the script that draws them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import attrs

from graphkd.inspect.report.files import Record, RunFiles, mapping, number
from graphkd.inspect.report.looks import LOOKS
from graphkd.inspect.report.thin import Point, thinned
from graphkd.inspect.text import one_line

_MEASURES = ("top1", "gap", "agreement", "predictive_kl", "ece", "nll")
AVERAGED = ", averaged weights"
_BESIDE = {"gap": "behind", "agreement": "and", "predictive_kl": "from"}


@attrs.frozen
class Curve:
    """One line of a chart.

    Attributes:
        name: as the legend calls it.
        points: step and value, as shown.
        flow: of a loss, the id that drawings give its flow; else empty.
        family: curves of one family have one colour in all charts, those after the first of a
            chart are dashed; empty: a colour by itself.
    """

    name: str
    points: tuple[Point, ...]
    flow: str = ""
    family: str = ""


@attrs.frozen
class Chart:
    """Curves over optimizer steps.

    Attributes:
        key: of its look.
        curves: its lines.
    """

    key: str
    curves: tuple[Curve, ...]


@attrs.frozen
class Band:
    """A phase on the axis of steps.

    Attributes:
        name: of the phase.
        first: step before its first one.
        last: the last step that is known.
    """

    name: str
    first: int
    last: int


def charts_data(found: Sequence[Chart]) -> list[dict[str, Any]]:
    """Return charts as the script takes them, each curve with the number of its colour."""
    families = dict.fromkeys(c.family for each in found for c in each.curves if c.family)
    colours = {family: number for number, family in enumerate(families)}
    return [_chart_data(each, colours) for each in found]


def _chart_data(found: Chart, colours: Mapping[str, int]) -> dict[str, Any]:
    look = attrs.asdict(LOOKS[found.key], filter=lambda field, _: field.name != "scale")
    curves = [
        {
            "name": one_line(each.name),
            "flow": each.flow,
            "colour": colours.get(each.family, place),
            "steps": [step for step, _ in each.points],
            "values": [value for _, value in each.points],
        }
        for place, each in enumerate(found.curves)
    ]
    return {"key": found.key, **look, "curves": curves}


def bands(records: Iterable[Record]) -> list[Band]:
    """Return the phases that records tell of, in order."""
    steps: list[tuple[str, int]] = []
    for each in records:
        if steps and steps[-1][0] == each["phase"]:
            steps.pop()
        steps.append((each["phase"], each["step"]))
    firsts = [0, *(last for _, last in steps)]
    return [Band(name, first, last) for (name, last), first in zip(steps, firsts, strict=False)]


def charts(run: RunFiles) -> list[Chart]:
    """Sort all numbers of a run into charts."""
    found: dict[str, dict[tuple[str, str], list[Point]]] = {key: {} for key in LOOKS}
    flows = flow_ids(run.prepared)
    titles = mapping(run.prepared.get("flows"))
    for record in run.training:
        phase = record["phase"]
        for key, value in record.items():
            where = placed(key)
            if where is None or not _is_value(value):
                continue
            chart, name = where
            flow = flows.get((phase, name), "") if chart == "loss" else ""
            name = str(mapping(titles.get(flow)).get("title", name))
            found[chart].setdefault((name, flow), []).append((record["step"], number(value)))
    for record in run.speed:
        for key in ("samples_per_second", "memory_bytes"):
            if _is_value(record.get(key)):
                name = str(record.get("device", "")) or "device"
                point = (record["step"], number(record[key]))
                found[key].setdefault((name, ""), []).append(point)
    return [Chart(key, tuple(_curves(key, named))) for key, named in found.items() if named]


def flow_ids(prepared: Record) -> dict[tuple[str, str], str]:
    """Return the id of each flow by phase and the name that records of the phase give it."""
    return {
        (str(phase.get("name", "")), one_line(name)): str(flow)
        for phase in phases_of(prepared)
        for name, flow in mapping(phase.get("losses")).items()
    }


def phase_names(run: RunFiles) -> list[str]:
    """Name the phases of a run, as far as anything is known of them."""
    known = [str(each.get("name", "")) for each in phases_of(run.prepared)]
    return list(dict.fromkeys([*known, *(each.name for each in bands(run.training))]))


def phases_of(prepared: Record) -> Sequence[Record]:
    """Return the phases that a run wrote down at its start."""
    found = prepared.get("phases")
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _curves(key: str, named: Mapping[tuple[str, str], Sequence[Point]]) -> Iterator[Curve]:
    scale = LOOKS[key].scale
    names = [name for name, _ in named]
    for (name, flow), points in named.items():
        # two flows may have the same ends and loss
        shown = f"{name} ({flow})" if flow and names.count(name) > 1 else name
        kept = [
            (step, None if value is None else float(f"{value * scale:.6g}"))
            for step, value in thinned(points)
        ]
        family = re.split(" |, ", name)[0] if key in _MEASURES else ""
        yield Curve(shown, tuple(kept), flow, family)


def _is_value(value: object) -> bool:
    """Say whether something is a number, or the text that stands for one that is not finite."""
    if isinstance(value, str):
        return value in ("nan", "inf", "-inf")
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@lru_cache(maxsize=4096)
def placed(key: str) -> tuple[str, str] | None:
    """Say to which chart a number of a record belongs, and to which of its curves."""
    kind, _, rest = key.partition("/")
    if kind == "loss" and rest:
        return "loss", one_line(rest)
    if kind == "lr":
        return "lr", rest or "all nodes"
    if kind != "validation" or not rest:
        return None
    model, _, measure = rest.partition("/")
    if not measure:
        return "probe", model
    if measure == "ema/top1":
        return "top1", f"{model}{AVERAGED}"
    name, _, other = measure.partition("/")
    if name not in _MEASURES:
        return None
    return name, f"{model} {_BESIDE[name]} {other}" if name in _BESIDE and other else model
