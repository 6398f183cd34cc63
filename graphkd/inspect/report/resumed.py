"""When a run was resumed, and whether it is still what it would have been without a stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs

from graphkd.inspect.document import said, table
from graphkd.inspect.report.files import RunFiles, number

FEW = 10
"""So many lines are shown at once; more are folded."""


@attrs.frozen
class Resumed:
    """One start of a run that goes on.

    Attributes:
        step: from where.
        when: date and time; empty where that is not known.
        because: what keeps it from computing the same bits; empty where nothing does.
        exact: whether it computes the same bits as a run that was never stopped.
    """

    step: str
    when: str
    because: tuple[str, ...]
    exact: bool

    @property
    def reason(self) -> str:
        """What follows `not exactly`."""
        return f": {'; '.join(self.because)}" if self.because else ""


def resumed_of(run: RunFiles) -> list[Resumed]:
    """Return the starts that `run.json` tells of, those of other seeds left out."""
    return [
        Resumed(
            step=_step(each),
            when=_when(each.get("time")),
            because=tuple(str(b).removeprefix("~ ") for b in _list(each.get("because"))),
            exact=each.get("exact") is True,
        )
        for each in _own(run, "resumed")
    ]


def short_words(run: RunFiles) -> str:
    """Say in two words how a run was resumed; nothing where it was not."""
    found = resumed_of(run)
    exact = all(each.exact for each in found)
    return f"resumed {'exactly' if exact else 'not exactly'}" if found else ""


def resumed_html(run: RunFiles) -> str:
    """Write when a run was resumed, whether exactly, and what else was noted then."""
    found = resumed_of(run)
    told = {because for each in found for because in each.because}
    notes = [
        (_step(each), str(each.get("text", "")))
        for each in _own(run, "notes")
        if not str(each.get("text", "")).endswith(tuple(told))
    ]
    noted = table(("at step", "noted"), notes) if notes else ""
    if not found:
        return _folded("What happened on the way", noted, count=len(notes)) if notes else ""
    if len(found) == 1 and not notes:
        return f'<p class="resumed">{_sentence(found)}</p>'
    rows = [
        (each.step, each.when, "exactly" if each.exact else f"not exactly{each.reason}")
        for each in found
    ]
    starts = table(("resumed at step", "when", "how"), rows)
    return _folded(_sentence(found), starts + noted, count=len(found) + len(notes))


def _sentence(found: Sequence[Resumed]) -> str:
    last = found[-1]
    several = len(found) > 1
    count = f"{len(found)} times, last " if several else ""
    when = f", {last.when}" if last.when else ""
    inexact = sum(not each.exact for each in found)
    if not inexact:
        end = "exactly, the same bits as without a stop"
    else:
        more = f", {inexact} of them with a change" if several else last.reason
        end = f"<b>not exactly</b>{said(more)}"
    return f"Resumed {count}at step {said(f'{last.step}{when}')}: {end}."


def _folded(title: str, inner: str, *, count: int) -> str:
    shown = " open" if count <= FEW else ""
    return (
        f'<details id="resumed" class="resumed"{shown}><summary>{title}</summary>{inner}</details>'
    )


def _own(run: RunFiles, key: str) -> list[Mapping[str, Any]]:
    """Return what `run.json` lists under a key, of this seed alone."""
    found = [each for each in _list(run.settings.get(key)) if isinstance(each, Mapping)]
    if run.home == run.folder:
        return found
    own = run.folder.resolve().name.removeprefix("seed-")
    return [each for each in found if str(each.get("seed")) == own]


def _step(each: Mapping[str, Any]) -> str:
    step = number(each.get("step"))
    return "?" if step is None else f"{step:.0f}"


def _when(value: object) -> str:
    try:
        found = datetime.fromisoformat(str(value)).astimezone(UTC)
    # also of a year that has no such time
    except (ValueError, OverflowError):
        return ""
    return f"{found:%Y-%m-%d %H:%M} UTC"


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
