"""A run folder as one page: what happens now, the drawn graph, curves, results, the blueprint."""

from __future__ import annotations

import base64
import time
from html import escape
from pathlib import Path
from typing import Any

from graphkd.inspect.document import said, table
from graphkd.inspect.report.classes import classes_html
from graphkd.inspect.report.curves import bands, charts, charts_data, phase_names, phases_of
from graphkd.inspect.report.files import RunFiles, mapping, read_run, text_of
from graphkd.inspect.report.frame import EVERY, report_document
from graphkd.inspect.report.live import Value, filled, live_values, newest
from graphkd.inspect.report.resumed import resumed_html
from graphkd.inspect.report.seeds import seeds_html, seeds_in, seeds_left
from graphkd.inspect.report.state import state_html, state_of
from graphkd.inspect.report.tables import results_html

PAGE = "report.html"
_VIEWS = {"knowledge": "who teaches whom", "dataflow": "what is computed from what"}


def write_report(folder: Path, *, running: bool = False) -> Path:
    """Write `report.html` from what lies in a run folder; it opens without a network.

    Args:
        folder: of a run, of one of its seeds, or of a run with several seeds.
        running: whether the run goes on; then the page loads itself anew.

    Returns:
        The page. That of a run with several seeds is written anew with each of theirs.
    """
    if seeds_in(folder) and not (folder / "metrics.jsonl").exists():
        text = seeds_html(folder, running=running)
    else:
        text = report_html(read_run(folder), running=running)
    path = folder / PAGE
    draft = path.with_suffix(".tmp")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
    home = folder.resolve().parent
    if folder.resolve() in [each.resolve() for each in seeds_in(home)]:
        # between two seeds the run goes on
        goes_on = (folder / "results.json").exists() and bool(seeds_left(home))
        write_report(home, running=running or goes_on)
    return path


def report_html(run: RunFiles, *, running: bool) -> str:
    """Write the page of a run."""
    name = run.folder.resolve().name
    title = name if run.home == run.folder else f"{run.home.resolve().name}, {name}"
    state = state_of(run, running=running)
    values = live_values(run)
    about = str(run.prepared.get("about", ""))
    up = "" if run.home == run.folder else f'<p><a href="../{PAGE}">all seeds</a></p>'
    drawn = charts(run)
    body = (
        up,
        f"<p>{said(about)}</p>" if about else "",
        state_html(state),
        resumed_html(run),
        _drawings(run, running=running, values=newest(values)),
        "<h2>Curves</h2>",
        '<div id="charts" class="charts"></div>',
        "" if drawn else "<p>Nothing is written down yet.</p>",
        results_html(run),
        classes_html(run),
        _origin(run),
    )
    facts = {
        **_phase_facts(run),
        "running": running,
        "every": EVERY,
        "written": round(time.time()),
        "charts": charts_data(drawn),
        "flows": list(mapping(run.prepared.get("flows"))),
        "live": {p: {f: v.words for f, v in each.items()} for p, each in values.items()},
        "newest": {flow: value.words for flow, value in newest(values).items()},
    }
    return report_document(title, "".join(body), facts=facts, running=running)


def _phase_facts(run: RunFiles) -> dict[str, Any]:
    known = {str(each.get("name", "")): each for each in phases_of(run.prepared)}
    found = bands(run.training)
    phases = [{"name": n, "awake": known.get(n, {}).get("awake")} for n in phase_names(run)]
    return {
        "phases": phases,
        "now": found[-1].name if found else phases[0]["name"] if phases else "",
        "bands": [{"name": b.name, "first": b.first, "last": b.last} for b in found],
    }


def _drawings(run: RunFiles, *, running: bool, values: dict[str, Value]) -> str:
    head = "<h2>The drawn graph</h2>"
    drawn = {view: str(run.prepared.get(view, "")) for view in _VIEWS}
    if not all(drawn.values()):
        picture = text_of(run.home / "graph.svg")
        if not picture:
            return ""
        # an older run's: as a picture, which can hold no script
        data = base64.b64encode(picture.encode()).decode()
        return (
            f'{head}<figure class="drawn"><img alt="the drawn graph" '
            f'src="data:image/svg+xml;base64,{data}"></figure>'
        )
    tabs = "".join(
        f'<button data-view="{view}" aria-pressed="false">{title}</button>'
        for view, title in _VIEWS.items()
    )
    figures = "".join(
        f'<figure class="drawn" id="{view}">{filled(svg, values)}</figure>'
        for view, svg in drawn.items()
    )
    return (
        f'{head}<div class="tools">{tabs}<span class="grow"></span>{_menu(run, running=running)}'
        '</div><p class="soft">On each flow stands its loss, whether it falls, and its weight. A '
        f"click on a flow shows its curve.</p>{figures}"
    )


def _menu(run: RunFiles, *, running: bool) -> str:
    """Write the choice of a phase; a run that goes on shows the one it is in."""
    options = ['<option value="now">as of now</option>'] if running else []
    options.append('<option value="">all phases</option>')
    options += [
        f'<option value="{number}">{said(name)}</option>'
        for number, name in enumerate(phase_names(run))
    ]
    return f'<label class="soft">phase <select id="phase">{"".join(options)}</select></label>'


def _origin(run: RunFiles) -> str:
    blueprint = text_of(run.home / "blueprint.yaml")
    schedule = text_of(run.home / "schedule.txt")
    versions = mapping(run.settings.get("versions"))
    parts = [f"<h2>Blueprint</h2><pre>{escape(blueprint)}</pre>" if blueprint else ""]
    if schedule:
        parts.append(
            f'<details id="schedule"><summary>schedule.txt</summary><pre>{escape(schedule)}</pre>'
            "</details>"
        )
    if versions:
        rows = [(str(name), str(number)) for name, number in versions.items()]
        parts.append(f"<h2>Versions</h2>{table(('package', 'version'), rows)}")
    return "".join(parts)
