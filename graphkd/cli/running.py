"""Commands that run: train, resume, eval, export, bench."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from graphkd.cli.common import (
    File,
    Force,
    Json,
    Out,
    Plugin,
    Without,
    load_plugins,
    load_with,
    print_json,
    write_or_print,
)
from graphkd.cli.starting import Nproc, options_of, start, until_stopped
from graphkd.errors import mistake

Run = Annotated[Path, Parameter(help="The folder of a run.")]
Repeats = Annotated[
    int | None,
    Parameter(
        validator=Number(gte=1),
        help="step: measurements of each; the median counts. 9 by default.",
    ),
]
Cases = Annotated[
    list[str] | None,
    Parameter(name="--case", negative="", help="kernels: number of a case; all by default."),
]
OnGpu = Annotated[
    bool,
    Parameter(name="--gpu", negative="", help="step: on a GPU, beside timm's task, and memory."),
]
Targets = Annotated[
    list[str] | None,
    Parameter(
        name="--target",
        negative="",
        help="machine-code: for which GPU, like sm_90; all by default.",
    ),
]


def train(
    file: File,
    /,
    *overrides: str,
    out: Out = None,
    without: Without = None,
    force: Force = False,
    nproc: Nproc = 1,
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Train what a blueprint says, and hand back the student."""
    from graphkd.run import train as run
    from graphkd.run.distributed import joined

    if nproc > 1:
        words = ["train", file, *overrides, *options_of(plugin, as_json=as_json)]
        words += [f"--out={out}"] * (out is not None) + ["--force"] * force
        start(nproc, [*words, *(f"--without={each}" for each in without or ())])
        return
    with joined():
        blueprint = load_with(file, overrides, plugin)
        folder = out or Path("runs") / blueprint.blueprint
        status = until_stopped(
            lambda console: run(
                blueprint, out=folder, without=without or (), force=force, console=console
            ),
            folder,
            as_json=as_json,
        )
    sys.exit(status)


def resume(
    folder: Run,
    /,
    *,
    allow_changed: Annotated[
        list[str] | None,
        Parameter(
            name="--allow-changed",
            negative="",
            help="Go on although this changed, as train.epochs or versions.torch; not exactly.",
        ),
    ] = None,
    nproc: Nproc = 1,
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Go on with a run from its newest whole checkpoint."""
    from graphkd.run import resume as run
    from graphkd.run.distributed import joined

    if nproc > 1:
        words = ["resume", str(folder), *options_of(plugin, as_json=as_json)]
        start(nproc, [*words, *(f"--allow-changed={each}" for each in allow_changed or ())])
        return
    with joined():
        load_plugins(plugin)
        status = until_stopped(
            lambda console: run(folder, allow_changed=allow_changed or (), console=console),
            folder,
            as_json=as_json,
        )
    sys.exit(status)


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

    from graphkd.run.again import evaluate_run
    from graphkd.run.table import result_data, result_table

    load_plugins(plugin)
    result = evaluate_run(folder, split=split)
    if as_json:
        print_json(result_data(result))
    else:
        Console().print(result_table(result))


def report(folder: Run, /) -> None:
    """Write the page of a run anew from its files, and print where it lies."""
    from graphkd.inspect.report.again import report_again

    print(report_again(folder))


def export(
    folder: Run,
    /,
    *,
    format: Annotated[
        Literal["timm", "safetensors", "pt2", "onnx"], Parameter(help="What to write.")
    ] = "safetensors",
    seed: Annotated[
        int | None, Parameter(help="Which of several seeds; the first by default.")
    ] = None,
    out: Out = None,
    force: Force = False,
    plugin: Plugin = None,
) -> None:
    """Write the student of a finished run, checked to compute the same."""
    from graphkd.run.export import export_run

    load_plugins(plugin)
    for path in export_run(folder, format=format, out=out, force=force, seed=seed):
        print(path)


def bench(
    what: Annotated[
        Literal["step", "kernels", "machine-code"],
        Parameter(
            help="step: the schedule beside plain loops. kernels: the kernels beside other "
            "libraries. machine-code: what the kernels are compiled to, with no GPU."
        ),
    ],
    /,
    *,
    repeats: Repeats = None,
    gpu: OnGpu = False,
    case: Cases = None,
    target: Targets = None,
    out: Annotated[
        Path | None, Parameter(name="--out", help="Where to write; kernels: a folder.")
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Measure against hand-written loops and other libraries."""
    settings = {"repeats": (repeats, "step"), "case": (case, "kernels")}
    settings |= {"target": (target, "machine-code"), "gpu": (gpu or None, "step")}
    for name, (value, owner) in settings.items():
        if value is not None and what != owner:
            raise mistake(f"bench {what} takes no --{name}; leave it out")
    if what == "step" and gpu:
        _bench_gpu(repeats or 9, out, force=force, as_json=as_json)
    elif what == "step":
        _bench_step(repeats or 9, out, force=force, as_json=as_json)
    elif what == "kernels":
        _bench_kernels(case or [], out, force=force, as_json=as_json)
    else:
        _bench_machine_code(target or [], out, force=force, as_json=as_json)


def _bench_step(repeats: int, out: Path | None, *, force: bool, as_json: bool) -> None:
    from graphkd.bench.step import measure_all, page, table

    found = measure_all(repeats=repeats)
    if as_json:
        print_json([row.as_dict() for row in found])
    else:
        write_or_print(table(found) if out is None else page(found), out, force=force)


def _bench_gpu(repeats: int, out: Path | None, *, force: bool, as_json: bool) -> None:
    from graphkd.bench.gpu import measure_all, page, table

    found = measure_all(repeats=repeats)
    if as_json:
        print_json([row.as_dict() for row in found])
    else:
        write_or_print(table(found) if out is None else page(found), out, force=force)


def _bench_kernels(cases: list[str], out: Path | None, *, force: bool, as_json: bool) -> None:
    from rich.console import Console

    from graphkd.bench.kernels import NO_GPU, measure_all
    from graphkd.bench.kernels_files import check_free, write_all
    from graphkd.bench.kernels_page import rich_table

    if out is not None:
        check_free(out, force=force)
    found = measure_all(cases)
    if found.device is None:
        print(f"graphkd: {NO_GPU}", file=sys.stderr)
    if as_json:
        print_json(found.as_dict())
    else:
        Console().print(rich_table(found))
    if out is not None:
        for path in write_all(found, out):
            # standard output holds the JSON alone
            print(path, file=sys.stderr if as_json else sys.stdout)


def _bench_machine_code(
    targets: list[str], out: Path | None, *, force: bool, as_json: bool
) -> None:
    from graphkd.bench.machine_code import compile_shipped
    from graphkd.bench.machine_code_page import page, table

    rows = compile_shipped(targets)
    if as_json:
        print_json([row.as_dict() for row in rows])
    else:
        write_or_print(table(rows) if out is None else page(rows), out, force=force)


COMMANDS: tuple[Callable[..., None], ...] = (train, resume, eval_, report, export, bench)
