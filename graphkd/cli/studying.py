"""The commands that study: study fidelity."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from graphkd.blueprint import load
from graphkd.cli.common import Json, Plugin, load_plugins, print_json
from graphkd.cli.comparing import origin_of, parse_seeds, stopping
from graphkd.errors import mistake

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from graphkd.inspect.study.data import Study
    from graphkd.inspect.study.tables import Grid

BLUEPRINT = "fidelity"
SHARES = "0,0.25,0.375,0.5,0.75,1"

Words = Annotated[
    str,
    Parameter(
        help="A blueprint file or the name of a shipped one (fidelity by default), with the nodes "
        "'teacher' and 'student'; and path=value words, like train.steps=40 for a quick look."
    ),
]
Seeds = Annotated[str, Parameter(help="How many, like 3 for 0 to 2, or which, like 0,1,5.")]
Policies = Annotated[
    str | None,
    Parameter(
        help="What students are shown: names, like baseline,rotation,mixup, and .yaml files of "
        "further policies; all shipped ones by default. The first is that of the control student."
    ),
]
Shares = Annotated[
    str,
    Parameter(
        help="Shares of the teacher's weights at which students start, 0 to 1; 'none' for no such "
        "students."
    ),
]
Out = Annotated[
    Path | None,
    Parameter(name="--out", help="Folder for runs and pages; runs/study-NAME by default."),
]
Force = Annotated[
    bool, Parameter(name="--force", negative="", help="Replace runs of other blueprints there.")
]

study = App(name="study", help="Run a whole study, with tables, figures and a page.")


@study.command
def fidelity(
    *words: Words,
    seeds: Seeds = "3",
    policies: Policies = None,
    shares: Shares = SHARES,
    out: Out = None,
    force: Force = False,
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Measure how faithful students are to their teacher, and what that depends on.

    For each seed it trains a teacher, a student for each policy of distillation data, a control
    student of another teacher, and students that start near the teacher's weights. It writes
    study.json, study.csv, report.html and figures. The same command goes on after a stop.
    """
    chosen, grid = parse_seeds(seeds), parse_shares(shares)
    file, overrides = _sorted(words)
    options = _options(seeds, policies, shares, out, plugin)
    command = shlex.join(["graphkd", "study", "fidelity", *words, *options])
    load_plugins(plugin)
    blueprint = load(file, overrides)
    folder = out or Path("runs") / f"study-{blueprint.blueprint}"
    from rich.console import Console

    from graphkd.run.study import study_fidelity
    from graphkd.run.study_policies import choose_policies

    console = Console()
    with stopping(command):
        found = study_fidelity(
            blueprint,
            seeds=chosen,
            policies=choose_policies(policies),
            out=folder,
            origin=origin_of(command),
            shares=grid,
            force=force,
            console=None if as_json else console,
        )
    _show(found, folder, console, as_json=as_json)


def parse_shares(text: str) -> tuple[float, ...]:
    """Read `0,0.25,1` as shares, and `none` as none.

    Raises:
        BlueprintError: something is no number from 0 to 1.
    """
    if text.strip() == "none":
        return ()
    found = []
    for word in text.split(","):
        try:
            share = float(word)
        except ValueError:
            share = math.nan
        if not 0.0 <= share <= 1.0:
            said = f"'{word.strip()}' is no number from 0 to 1"
            raise mistake(f"--shares {text}: {said}; write shares, like 0,0.5,1, or none")
        found.append(share)
    return tuple(found)


def _sorted(words: Sequence[str]) -> tuple[str, list[str]]:
    """Tell the blueprint and overrides apart.

    Raises:
        BlueprintError: there are several blueprints.
    """
    files = [each for each in words if "=" not in each or Path(each).is_file()]
    if len(files) > 1:
        raise mistake(f"study fidelity takes one blueprint, not {len(files)}: {', '.join(files)}")
    return (files or [BLUEPRINT])[0], [each for each in words if each not in files]


def _options(
    seeds: str,
    policies: str | None,
    shares: str,
    out: Path | None,
    plugin: Sequence[str] | None,
) -> list[str]:
    """Write the options that differ from their defaults, and the seeds, as they are typed."""
    found = ["--seeds", seeds]
    found += ["--policies", policies] if policies is not None else []
    found += ["--shares", shares] if shares != SHARES else []
    found += ["--out", str(out)] if out else []
    return found + [word for each in plugin or () for word in ("--plugin", each)]


def _show(found: Study, folder: Path, console: Console, *, as_json: bool) -> None:
    from rich.text import Text

    from graphkd.inspect.comparison.files import strict
    from graphkd.inspect.study.data import study_data
    from graphkd.inspect.study.files import FIGURES, FILES
    from graphkd.inspect.study.tables import caption, grids

    if as_json:
        data = study_data(found)
        data["rows"] = [strict(row) for row in data["rows"]]
        print_json({"folder": str(folder), **strict(data)})
        return
    console.print(Text(caption(found)))
    for grid in grids(found):
        console.print(_table(grid, console.width))
    for name in (*FILES, f"{FIGURES}/"):
        print(f"{folder}/{name}")


def _table(grid: Grid, width: int) -> Table:
    """Make a table for a terminal; where it is too wide, of means alone, with broken headings."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    lines = [list(line) for line in grid.lines]
    wide = _room(_widths(grid.head, lines, whole=False)) > width
    if wide:
        lines = [[each.partition(" ± ")[0] for each in line] for line in lines]
    widths = _widths(grid.head, lines, whole=True)
    if _room(widths) > width:
        widths = _widths(grid.head, lines, whole=False)
    title = f"{grid.title} (means)" if wide else grid.title
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for number, (name, needed) in enumerate(zip(grid.head, widths, strict=True)):
        side: Literal["left", "right"] = "right" if number else "left"
        table.add_column(Text(name, overflow="fold"), justify=side, width=needed)
    for line in lines:
        table.add_row(*map(Text, line))
    return table


def _widths(head: Sequence[str], lines: Sequence[Sequence[str]], *, whole: bool) -> list[int]:
    """Say how wide columns must be; unless whole, headings break, and their longest words too."""
    found = []
    for number, name in enumerate(head):
        words = [len(each) for each in name.split()]
        own = len(name) if whole else max(words[0], min(max(words), 5))
        found.append(max(own, *(len(line[number]) for line in lines)))
    return found


def _room(widths: Sequence[int]) -> int:
    return sum(widths) + 2 * len(widths)
