"""Read what lies in a run folder, whatever state it is in: nothing here fails on a cut line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from graphkd.inspect.text import one_line

PREPARED = "live.json"
"""What a run writes at its start: the drawings, and which loss of a record is which flow."""

Record = Mapping[str, Any]


@attrs.frozen
class RunFiles:
    """What a run folder says.

    Attributes:
        folder: of the run, or of one of its seeds.
        home: of the run: where its blueprint lies.
        training: of `metrics.jsonl`, in order of their steps, without that of the test.
        speed: of `speed.jsonl`.
        classes: of `classes.json`; empty before the first validation.
        results: of `results.json`; empty for a run that is not finished.
        settings: of `run.json`.
        failure: why the last start of the run failed; empty where it did not.
        prepared: of `live.json`; empty for a run of an older version.
    """

    folder: Path
    home: Path
    training: tuple[Record, ...]
    speed: tuple[Record, ...]
    classes: Record
    results: Record
    settings: Record
    prepared: Record
    failure: str = ""

    @property
    def models(self) -> dict[str, dict[str, Any]]:
        """What the test measured, by model; empty where there is none."""
        return {
            str(name): dict(each)
            for name, each in mapping(self.results.get("models")).items()
            if isinstance(each, Mapping)
        }


def read_run(folder: Path) -> RunFiles:
    """Read a run folder, or that of one of several seeds."""
    home = folder if (folder / "blueprint.yaml").exists() else folder.parent
    return RunFiles(
        folder=folder,
        home=home,
        training=tuple(e for e in _lines(folder / "metrics.jsonl") if e["phase"] != "test"),
        speed=_lines(folder / "speed.jsonl"),
        classes=_object(folder / "classes.json"),
        results=_object(folder / "results.json"),
        settings=_object(home / "run.json"),
        prepared=_object(home / PREPARED),
        failure=str(_object(folder / "failure.json").get("reason", "")),
    )


def text_of(path: Path) -> str:
    """Read a text; empty where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def mapping(value: object) -> Mapping[str, Any]:
    """Return a mapping as it is, and nothing for what is none."""
    return value if isinstance(value, Mapping) else {}


def number(value: object) -> float | None:
    """Return a finite number; None for what is none: texts, NaN and infinities."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def _lines(path: Path) -> tuple[Record, ...]:
    found: list[Record] = []
    for line in text_of(path).splitlines():
        try:
            record = json.loads(line)
        # a number of thousands of digits, or brackets in brackets without end
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict) and type(record.get("step")) is int:
            record["phase"] = one_line(str(record.get("phase", "")))
            found.append(record)
    return tuple(sorted(found, key=lambda each: each["step"]))


def _object(path: Path) -> Record:
    try:
        return mapping(json.loads(text_of(path) or "{}"))
    except (ValueError, RecursionError):
        return {}
