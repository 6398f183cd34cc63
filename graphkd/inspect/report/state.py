"""The head of a run's page: what it does now, how far it is, how long it takes."""

from __future__ import annotations

from shlex import quote

import attrs

from graphkd.inspect.document import said
from graphkd.inspect.report.files import RunFiles, number
from graphkd.inspect.report.pace import Pace, clock, paces_of, seconds_left, share_done


@attrs.frozen
class State:
    """What a run does.

    Attributes:
        word: `running`, `finished`, `stopped` or `failed`.
        text: where it stands, in words.
        share: which share of its steps is done, from 0 to 1; None where that is not known.
        facts: what is known of time and hardware: a name and a text each.
    """

    word: str
    text: str
    share: float | None
    facts: tuple[tuple[str, str], ...]


def state_of(run: RunFiles, *, running: bool) -> State:
    """Work out what a run does, from its files and from who writes the page."""
    paces = paces_of(run)
    finished = bool(run.models) and not running
    ended = "failed" if run.failure else "stopped"
    word = "running" if running else "finished" if finished else ended
    return State(
        word,
        _text(run, paces, word),
        share_done(paces, finished=finished),
        _facts(run, paces, word),
    )


def _text(run: RunFiles, paces: list[Pace], word: str) -> str:
    now = next((each for each in reversed(paces) if each.done), None)
    if word == "finished":
        return "Its results are those of the test split."
    if now is None:
        return run.failure or "Nothing is written down yet."
    parts = [
        f"phase {now.name} ({[each.name for each in paces].index(now.name) + 1} of {len(paces)})"
    ]
    parts.append(f"epoch {now.epoch}" + (f" of {now.epochs}" if now.epochs else ""))
    parts.append(f"step {now.done}" + (f" of {now.steps}" if now.steps else ""))
    where = ", ".join(parts)
    if word == "running":
        return f"In {where}."
    why = f" {run.failure}." if run.failure else ""
    go_on = f"To go on: graphkd resume {quote(str(run.home))}"
    return f"It ended before its last step, in {where}.{why} {go_on}"


def _facts(run: RunFiles, paces: list[Pace], word: str) -> tuple[tuple[str, str], ...]:
    found = []
    last = run.speed[-1] if run.speed else {}
    if (seconds := number(last.get("seconds"))) is not None:
        found.append(("time so far" if word == "running" else "time", clock(seconds)))
    if word == "running" and (left := seconds_left(run, paces)) is not None:
        found.append(("left, about", clock(left)))
    if (rate := number(last.get("samples_per_second"))) is not None:
        found.append(("speed", f"{rate:,.0f} samples/s".replace(",", " ")))
    if (memory := number(last.get("memory_bytes"))) is not None:
        found.append(("memory", f"{memory / 2**30:.2f} GiB"))
    device = run.settings.get("device") or last.get("device")
    if device:
        found.append(("device", str(device)))
    return tuple(found)


def state_html(state: State) -> str:
    """Write it as the head of a page."""
    bar = ""
    if state.share is not None and state.word != "finished":
        percent = f"{100 * state.share:.0f}"
        bar = (
            f'<div class="progress" role="progressbar" aria-valuenow="{percent}">'
            f'<i style="width:{100 * state.share:.2f}%"></i><span>{percent} %</span></div>'
        )
    facts = "".join(
        f"<div><dt>{said(name)}</dt><dd>{said(text)}</dd></div>" for name, text in state.facts
    )
    return (
        f'<div class="state"><b class="{state.word}">{state.word}</b>'
        f'<span>{said(state.text)}</span><span id="news" class="soft"></span></div>{bar}'
        f'<dl class="facts">{facts}</dl>'
    )
