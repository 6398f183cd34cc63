"""Blueprints, graphs and schedules as the last line of a notebook's cell shows them.

`import graphkd` calls `register` when IPython runs; `%load_ext graphkd` does so afterwards.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from graphkd.errors import BlueprintError

if TYPE_CHECKING:
    from graphkd.blueprint import Blueprint
    from graphkd.compile import PhasePlan, Schedule

SMALLEST = 0.7
"""Share of its own size below which a wide drawing is scrolled instead of shrunk."""

Bundle = dict[str, str]
"""What is shown, by MIME type."""

# paper of our own: a notebook may be dark, and its style sheet knows nothing of our colours
_PAPER = (
    "background:#fff;color:#212529;border:1px solid #ced4da;border-radius:6px;padding:8px 12px;"
    "max-width:100%;max-height:600px;overflow:auto;box-sizing:border-box;"
    "font:13px/1.45 system-ui,sans-serif"
)
_TABLE = "border-collapse:collapse;font-size:12px;margin:4px 0"
# said of each row and cell: dark notebooks colour every second row
_ROW = "background:#fff;color:#212529"
_CELL = "padding:2px 10px;border:0;border-bottom:1px solid #e9ecef;vertical-align:top;text-align:"
_HEAD = "margin:8px 0 2px;font-weight:600"
_SOFT = "margin:2px 0;color:#6c757d"


def register(shell: Any) -> None:
    """Tell an IPython shell how our objects are shown; a shell for text alone is left as it is.

    Args:
        shell: IPython's `InteractiveShell`.
    """
    formatter = shell.display_formatter
    if "text/html" not in formatter.active_types:
        return
    for (module, name), show in _SHOWN.items():
        formatter.mimebundle_formatter.for_type_by_name(module, name, show)


def show_blueprint(blueprint: Blueprint) -> Bundle:
    """Show who teaches whom, or what is wrong."""
    from graphkd.compile import compile_blueprint
    from graphkd.inspect import knowledge_svg

    name, about = blueprint.blueprint, blueprint.about
    try:
        graph = compile_blueprint(blueprint).graph
    except BlueprintError as error:
        return _paper(_line(f"{name}: {_counted(error)}", _HEAD), _listed(error))
    made = knowledge_svg(graph, dark=False)
    head = (_line(name, _HEAD), _line(about, _SOFT) if about else "")
    return {**_paper(*head, _image(made, name)), "image/svg+xml": made}


def show_graph(graph: Any) -> Bundle | None:
    """Show what is computed from what; graphs of other programs are left to them."""
    if "blueprint" not in graph.graph:
        return None
    from graphkd.inspect.drawing.svg import drawing
    from graphkd.inspect.look import style_sheet

    made = drawing(graph, style=style_sheet(dark=False))
    return {**_paper(_image(made, graph.graph["blueprint"].blueprint)), "image/svg+xml": made}


def show_schedule(schedule: Schedule) -> Bundle:
    """Show what each phase runs."""
    from graphkd.inspect.explain import phase_title

    return _paper(
        *(
            part
            for plan in schedule.phases
            for part in (_line(phase_title(schedule, plan), _HEAD), *_phase(plan))
        )
    )


def show_plan(plan: PhasePlan) -> Bundle:
    """Show what one phase runs."""
    from graphkd.inspect.explain import plan_title

    return _paper(_line(plan_title(plan), _HEAD), *_phase(plan))


def _phase(plan: PhasePlan) -> Iterator[str]:
    from graphkd.inspect.amount import short
    from graphkd.inspect.explain import NUMBERS, WORDS, rows_of, total_line
    from graphkd.inspect.fused import fused_lines

    rows = rows_of(plan)
    lines = [
        [
            str(number),
            *(row[word] for word in WORDS),
            *(short(row[key]) if row[key] else "" for key in NUMBERS),
        ]
        for number, row in enumerate(rows, start=1)
    ]
    # at the right what is a number
    sides = ("right", *("left" for _ in WORDS), *("right" for _ in NUMBERS))
    yield f'<table style="{_TABLE}">'
    yield _row("th", ("", *WORDS, *NUMBERS), sides)
    yield from (_row("td", line, sides) for line in lines)
    yield "</table>"
    yield from (_line(line, _SOFT) for line in (*fused_lines(plan), total_line(plan, rows)))


def _row(tag: str, texts: Iterable[str], sides: Iterable[str]) -> str:
    cells = "".join(
        f'<{tag} style="{_CELL}{side}">{_said(each)}</{tag}>'
        for each, side in zip(texts, sides, strict=True)
    )
    return f'<tr style="{_ROW}">{cells}</tr>'


def _paper(*parts: str) -> Bundle:
    return {"text/html": f'<div style="{_PAPER}">{"".join(parts)}</div>'}


def _line(text: str, style: str) -> str:
    return f'<p style="{style}">{_said(text)}</p>'


def _image(drawing: str, name: str) -> str:
    """Put a drawing in, apart from the style sheet around it; shrunk a little where it is wide."""
    data = b64encode(drawing.encode()).decode()
    width = re.search(r'width="(\d+)"', drawing)
    least = f"min-width:{round(SMALLEST * int(width[1]))}px;" if width else ""
    style = f"{least}max-width:100%;height:auto;display:block"
    return f'<img alt="{_said(name)}" style="{style}" src="data:image/svg+xml;base64,{data}">'


def _listed(error: BlueprintError) -> str:
    items = "".join(f'<li style="color:#212529">{_said(str(each))}</li>' for each in error.problems)
    return f'<ul style="margin:2px 0 4px;padding-left:24px">{items}</ul>'


def _counted(error: BlueprintError) -> str:
    count = len(error.problems)
    return "1 problem" if count == 1 else f"{count} problems"


def _said(text: str) -> str:
    from graphkd.inspect.document import said

    return said(text)


_SHOWN: dict[tuple[str, str], Callable[[Any], Bundle | None]] = {
    ("graphkd.blueprint.model", "Blueprint"): show_blueprint,
    ("networkx.classes.multidigraph", "MultiDiGraph"): show_graph,
    ("graphkd.compile.plan", "Schedule"): show_schedule,
    ("graphkd.compile.plan", "PhasePlan"): show_plan,
}
