"""What stands on the arrows of a run's drawing: each flow's loss of now, phase by phase."""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence

import attrs

from graphkd.inspect.report.curves import flow_ids, placed
from graphkd.inspect.report.files import Record, RunFiles, mapping, number
from graphkd.inspect.report.pace import Pace, paces_of

WINDOW = 20
"""So many records of a phase say whether a loss falls."""
EQUAL = 0.01
"""A change by less than this share is none."""
LEAST = 0.72
"""A drawing is shown at this share of its size or more."""


@attrs.frozen
class Value:
    """A flow's loss in a phase.

    Attributes:
        text: the last value, as shown; `nan` where it is no number.
        trend: `↓`, `↑` or `→`; empty for a single record.
        weight: of a flow whose weight changes, that of now; a fixed one is drawn already.
    """

    text: str
    trend: str = ""
    weight: str = ""

    @property
    def words(self) -> str:
        """What is written on the arrow."""
        return " ".join(filter(None, (self.text, self.trend, self.weight)))


def live_values(run: RunFiles) -> dict[str, dict[str, Value]]:
    """Return for each phase that has begun the values of its flows, by their ids."""
    flows = flow_ids(run.prepared)
    found: dict[str, dict[str, list[tuple[Record, object]]]] = {}
    for record in run.training:
        phase = record["phase"]
        for key, value in record.items():
            chart, name = placed(key) or ("", "")
            flow = flows.get((phase, name)) if chart == "loss" else None
            if flow is not None:
                found.setdefault(phase, {}).setdefault(flow, []).append((record, value))
    paces = {each.name: each for each in paces_of(run)}
    return {
        phase: {flow: _value(run, paces[phase], flow, values) for flow, values in each.items()}
        for phase, each in found.items()
    }


def newest(values: Mapping[str, Mapping[str, Value]]) -> dict[str, Value]:
    """Return each flow's value in the last phase in which it was awake."""
    return {flow: value for each in values.values() for flow, value in each.items()}


def filled(drawing: str, values: Mapping[str, Value]) -> str:
    """Put values into the places that a drawing keeps for them."""

    def put(place: re.Match[str]) -> str:
        value = values.get(place[1])
        # number and signs of our own: nothing a user wrote
        return f"{place[0]}{value.words}" if value else place[0]

    return re.sub(r'<text [^<>]*data-live="(v\d+)">', put, _fitting(drawing))


def _fitting(drawing: str) -> str:
    """Let a drawing shrink to the page, but not until its words cannot be read."""

    def sized(found: re.Match[str]) -> str:
        width = int(found[1])
        style = f"width:100%;max-width:{width}px;min-width:{LEAST * width:.0f}px;height:auto"
        return f'{found[0]} style="{style}"'

    return re.sub(r'width="(\d+)" height="\d+"', sized, drawing, count=1)


def _value(run: RunFiles, pace: Pace, flow: str, values: Sequence[tuple[Record, object]]) -> Value:
    record, last = values[-1]
    now = number(last)
    return Value(
        text="nan" if now is None else short_number(now),
        trend=trend([number(value) for _, value in values[-WINDOW:]]),
        weight=_weight(run, flow, pace.epochs_at(record)),
    )


def short_number(value: float) -> str:
    """Write a number with four digits, in at most nine characters."""
    return f"{value:.4g}" if value == 0 or 1e-3 <= abs(value) < 1e4 else f"{value:.2e}"


def trend(values: Sequence[float | None]) -> str:
    """Say whether the later half of some values lies below the earlier one.

    Returns:
        `↓`, `↑`, or `→` for a change that is small; empty where it cannot be said.
    """
    middle = len(values) // 2
    before, after = (
        [each for each in half if each is not None] for half in (values[:middle], values[middle:])
    )
    if not before or not after:
        return ""
    first, second = statistics.fmean(before), statistics.fmean(after)
    if abs(second - first) <= EQUAL * max(abs(first), abs(second)):
        return "→"
    return "↓" if second < first else "↑"


def _weight(run: RunFiles, flow: str, epochs: float) -> str:
    weight = mapping(mapping(run.prepared.get("flows")).get(flow)).get("weight")
    if not isinstance(weight, list):
        return ""
    passed = [value for epoch, value in weight if epoch <= epochs]
    return f"x {passed[-1]:.3g}" if passed else ""
