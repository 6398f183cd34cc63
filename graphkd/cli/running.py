"""Commands that run: train, resume, eval, export, bench."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from graphkd.cli.common import File, Force, Json, Out, Plugin, Without, load_with, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from graphkd.run import Result

Run = Annotated[Path, Parameter(help="The folder of a run.")]


def train(
    file: File,
    /,
    *overrides: str,
    out: Out = None,
    without: Without = None,
    force: Force = False,
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Train what a blueprint says, and hand back the student."""
    from graphkd.run import train as run

    blueprint = load_with(file, overrides, plugin)
    folder = out or Path("runs") / blueprint.blueprint
    _until_stopped(
        lambda console: run(
            blueprint, out=folder, without=without or (), force=force, console=console
        ),
        folder,
        as_json=as_json,
    )


def resume(folder: Run, /, *, plugin: Plugin = None, as_json: Json = False) -> None:
    """Go on with a run from its newest checkpoint."""
    from graphkd.component import load_plugin
    from graphkd.run import resume as run

    for module in plugin or ():
        load_plugin(module)
    _until_stopped(lambda console: run(folder, console=console), folder, as_json=as_json)


def _until_stopped(
    run: Callable[[Console | None], Result], folder: Path, *, as_json: bool
) -> None:
    from rich.console import Console

    from graphkd.run import Stopped
    from graphkd.run.table import result_data, result_table

    console = Console()
    try:
        result = run(None if as_json else console)
    except Stopped:
        print(
            f"graphkd: stopped after a checkpoint; go on with: graphkd resume {folder}",
            file=sys.stderr,
        )
        sys.exit(130)
    if as_json:
        print_json({"folder": str(result.folder), **result_data(result)})
        return
    console.print(result_table(result))
    console.print(f"run folder: {result.folder}", highlight=False, soft_wrap=True)
    for name in ("graph.svg", "graph.mmd"):
        if (result.folder / name).exists():
            text = f"drawn graph: {result.folder / name}"
            console.print(text, highlight=False, soft_wrap=True)
            break


def eval_(
    folder: Run,
    /,
    *,
    split: Annotated[Literal["validation", "test"], Parameter(help="Which split.")] = "test",
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Evaluate all models of a finished run: accuracy, calibration, fidelity."""
    from rich.console import Console

    from graphkd.component import load_plugin
    from graphkd.run.again import evaluate_run
    from graphkd.run.table import result_data, result_table

    for module in plugin or ():
        load_plugin(module)
    result = evaluate_run(folder, split=split)
    if as_json:
        print_json(result_data(result))
    else:
        Console().print(result_table(result))


def export(
    folder: Run,
    /,
    *,
    format: Annotated[
        Literal["timm", "safetensors", "pt2", "onnx"], Parameter(help="What to write.")
    ] = "safetensors",
    out: Out = None,
    force: Force = False,
    plugin: Plugin = None,
) -> None:
    """Write the student of a finished run, checked to compute the same."""
    from graphkd.component import load_plugin
    from graphkd.run.export import export_run

    for module in plugin or ():
        load_plugin(module)
    for path in export_run(folder, format=format, out=out, force=force):
        print(path)


def bench(
    what: Annotated[Literal["step"], Parameter(help="step: the schedule beside plain loops.")],
    /,
    *,
    repeats: Annotated[int, Parameter(help="Measurements of each; the median counts.")] = 9,
    as_json: Json = False,
) -> None:
    """Measure the schedule beside hand-written loops and other frameworks."""
    from graphkd.bench.step import measure_all, table

    found = measure_all(repeats=repeats)
    if as_json:
        print_json([row.as_dict() for row in found])
    else:
        print(table(found))


COMMANDS: tuple[Callable[..., None], ...] = (train, resume, eval_, export, bench)

