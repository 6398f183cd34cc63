"""How a run of one or several processes is started, and ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from graphkd.cli.common import print_json
from graphkd.errors import mistake

if TYPE_CHECKING:
    from rich.console import Console

    from graphkd.run import Result

Nproc = Annotated[
    int,
    Parameter(
        validator=Number(gte=1), help="Train on so many processes of this machine, one a GPU."
    ),
]


TOGETHER = ("train", "resume")
"""Commands whose processes share the work; any other would do the same in each."""


def require_together(command: Sequence[str]) -> None:
    """Refuse a command that makes no sense in several processes.

    Args:
        command: its names, like `study` and `fidelity`; options of graphkd itself begin with `-`.

    Raises:
        BlueprintError: torchrun has started several processes of it.
    """
    if not command or command[0] in TOGETHER or command[0].startswith("-"):
        return
    if "RANK" not in os.environ:
        return
    from graphkd.run.world import world_of

    size = world_of(os.environ).size
    if size == 1:
        return
    name = " ".join(command)
    text = f"{name}: runs in one process, and this is one of {size} (RANK and WORLD_SIZE are set)"
    raise alike(mistake(f"{text}; write graphkd {name} without torchrun, or unset them"))


def alike(error: Exception) -> Exception:
    """Return a mistake that all processes of a command make, of which the first goes on to tell."""
    if "RANK" not in os.environ:
        return error
    from graphkd.run import distributed

    return distributed.alike(error)


def options_of(plugin: list[str] | None, *, as_json: bool) -> list[str]:
    """Write the options of a command down as words."""
    return [*(f"--plugin={each}" for each in plugin or ()), *["--json"] * as_json]


def start(count: int, words: list[str]) -> None:
    """Run the command in several processes.

    Raises:
        BlueprintError: it runs in one of several already.
    """
    from graphkd.run.start import is_started, start_processes

    if is_started():
        text = "--nproc starts processes, but torchrun has started this one; leave it out"
        raise alike(mistake(text))
    sys.exit(start_processes(count, words))


def until_stopped(run: Callable[[Console | None], Result], folder: Path, *, as_json: bool) -> int:
    """Show a run and what it found, in the first of several processes; return the status."""
    from rich.console import Console

    from graphkd.run import Stopped
    from graphkd.run.folder import is_run
    from graphkd.run.table import result_data, result_table
    from graphkd.run.world import world_of

    console, speaks = Console(), world_of(os.environ).first
    try:
        result = run(console if speaks and not as_json else None)
    except (Stopped, KeyboardInterrupt) as error:
        # a second Ctrl-C does not wait for the step, and one at the start finds no run yet
        hint = f"; go on with: graphkd resume {quote(str(folder))}" if is_run(folder) else ""
        if speaks:
            print(f"graphkd: stopped{hint}", file=sys.stderr)
        if isinstance(error, KeyboardInterrupt):
            sys.exit(130)
        return 130
    if not speaks:
        return 0
    if as_json:
        print_json({"folder": str(result.folder), **result_data(result)})
        return 0
    console.print(result_table(result))
    print(f"run folder: {result.folder}")
    drawn = [result.folder / name for name in ("graph.svg", "graph.mmd")]
    for path in [path for path in drawn if path.exists()][:1]:
        print(f"drawn graph: {path}")
    return 0
