"""The command that compares: compare."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from graphkd.blueprint import load
from graphkd.cli.common import Json, Plugin, load_plugins, print_json
from graphkd.errors import gather, mistake

if TYPE_CHECKING:
    from rich.console import Console

    from graphkd.inspect.comparison.data import Comparison, Origin

Words = Annotated[
    str,
    Parameter(help="Blueprint files or names of shipped ones; path=value words apply to all."),
]
Seeds = Annotated[str, Parameter(help="How many, like 5 for 0 to 4, or which, like 0,1,5.")]
Metric = Annotated[str, Parameter(help="What to compare by: top1, top5, nll or ece.")]
Baseline = Annotated[
    str | None, Parameter(help="Name of the blueprint to compare with; the first by default.")
]
AllowUnequal = Annotated[
    bool,
    Parameter(negative="", help="Compare although training data or budget differ, and say so."),
]
Out = Annotated[
    Path | None,
    Parameter(name="--out", help="Folder for runs and pages; runs/compare-A-B… by default."),
]
Force = Annotated[
    bool, Parameter(name="--force", negative="", help="Replace runs of other blueprints there.")
]


def compare(
    *words: Words,
    seeds: Seeds = "5",
    metric: Metric = "top1",
    baseline: Baseline = None,
    allow_unequal: AllowUnequal = False,
    out: Out = None,
    force: Force = False,
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Train blueprints with the same seeds, and compare their students pair by pair."""
    chosen = parse_seeds(seeds)
    files, overrides = _sorted(words)
    options = _options(seeds, metric, baseline, out, plugin, allow_unequal=allow_unequal)
    command = shlex.join(["graphkd", "compare", *files, *overrides, *options])
    load_plugins(plugin)
    blueprints = gather(lambda file: load(file, overrides), files)
    folder = out or Path("runs") / "-".join(["compare", *(each.blueprint for each in blueprints)])
    from rich.console import Console

    from graphkd.run.compare import compare as run

    console = Console()
    with stopping(command):
        found = run(
            blueprints,
            seeds=chosen,
            out=folder,
            origin=origin_of(command),
            metric=metric,
            baseline=baseline,
            allow_unequal=allow_unequal,
            force=force,
            console=None if as_json else console,
        )
    _show(found, folder, console, as_json=as_json)


@contextmanager
def stopping(command: str) -> Iterator[None]:
    """Say how to go on when the user stops a command of several runs."""
    from graphkd.run import Stopped

    try:
        yield
    except (Stopped, KeyboardInterrupt):
        print(f"graphkd: stopped; go on with: {command}", file=sys.stderr)
        sys.exit(130)


def _show(found: Comparison, folder: Path, console: Console, *, as_json: bool) -> None:
    from graphkd.inspect.comparison.data import comparison_data
    from graphkd.inspect.comparison.files import FILES, strict
    from graphkd.inspect.comparison.table import terminal_table

    if as_json:
        print_json({"folder": str(folder), **strict(comparison_data(found))})
        return
    console.print(terminal_table(found))
    for name in FILES:
        print(folder / name)


def parse_seeds(text: str) -> tuple[int, ...]:
    """Read `5` as five seeds from 0 on, and `0,1,5` as these three.

    Raises:
        BlueprintError: it is neither, or a seed stands twice.
    """
    hint = "write how many, like 5, or which, like 0,1,5"
    words = [each.strip() for each in text.split(",")]
    if not all(each.isascii() and each.isdigit() for each in words):
        raise mistake(f"--seeds {text}: is no number and no list of seeds; {hint}")
    numbers = [int(each) for each in words]
    if len(numbers) == 1:
        if numbers[0] < 1:
            raise mistake(f"--seeds {text}: is below 1; {hint}")
        return tuple(range(numbers[0]))
    twice = [each for each in dict.fromkeys(numbers) if numbers.count(each) > 1]
    if twice:
        raise mistake(f"--seeds {text}: {twice[0]} stands there twice; {hint}")
    return tuple(numbers)


def _sorted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tell blueprints and overrides apart."""
    files = [each for each in words if "=" not in each or Path(each).is_file()]
    return files, [each for each in words if each not in files]


def _options(
    seeds: str,
    metric: str,
    baseline: str | None,
    out: Path | None,
    plugin: Sequence[str] | None,
    *,
    allow_unequal: bool,
) -> list[str]:
    """Write the options that differ from their defaults, and the seeds, as they are typed."""
    found = ["--seeds", seeds]
    found += ["--metric", metric] if metric != "top1" else []
    found += ["--baseline", baseline] if baseline else []
    found += ["--allow-unequal"] if allow_unequal else []
    found += ["--out", str(out)] if out else []
    return found + [word for each in plugin or () for word in ("--plugin", each)]


def origin_of(command: str) -> Origin:
    """Say when, on what and with which versions a command runs."""
    from graphkd.bench.step import processor
    from graphkd.inspect.comparison.data import Origin

    versions = {name: version(name) for name in ("graphkd", "torch", "timm")}
    versions = {"Python": platform.python_version(), **versions}
    return Origin(command, date.today().isoformat(), processor(), versions)


COMMANDS: tuple[Callable[..., None], ...] = (compare,)
