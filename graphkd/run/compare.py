"""Run several blueprints with the same seeds, and compare their students pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from graphkd.blueprint import Blueprint
from graphkd.component import name_of
from graphkd.errors import BlueprintError, Problem, did_you_mean, gather, mistake
from graphkd.inspect.comparison.data import METRICS, Comparison, Entry, Metric, Origin
from graphkd.inspect.comparison.files import FILES, NUMBERS, write_comparison
from graphkd.run.compare_check import (
    Contender,
    check_blueprints,
    check_contender,
    check_same_test,
    differences,
    digest_of,
    with_seed,
)
from graphkd.run.compare_runs import (
    State,
    check_weights,
    run_folder,
    run_one,
    state_of,
    versions_of,
)
from graphkd.run.evaluate import Evaluation

Runs = dict[tuple[str, int], State]


def compare(
    blueprints: Sequence[Blueprint],
    *,
    seeds: Sequence[int],
    out: Path,
    origin: Origin,
    metric: str = "top1",
    baseline: str | None = None,
    allow_unequal: bool = False,
    force: bool = False,
    console: Console | None = None,
) -> Comparison:
    """Train every blueprint with every seed, and compare the students on the test split.

    A run lies in `OUT/NAME/seedN`, an ordinary run folder. One that is finished is used again, one
    that was stopped goes on, so that the same call after a kill ends with the same files. Runs with
    equal seeds divide the data alike and, where batch sizes are equal, see it in the same order;
    students of the same name and model begin with the same weights.

    Args:
        blueprints: at least two, of different names.
        seeds: at least one, each at least 0; those of the blueprints do not count.
        out: the folder of the comparison.
        origin: what is said of where it comes from.
        metric: a key of `METRICS`.
        baseline: name of the blueprint that the others are compared with; the first by default.
        allow_unequal: compare although training data or budget differ; the table says so.
        force: replace runs of other blueprints, and files of the same names, that lie there.
        console: where progress is shown; nowhere by default.

    Raises:
        BlueprintError: with what forbids the comparison; then nothing has run.
        Stopped: the user asked to stop; the same call goes on.
    """
    check_blueprints(blueprints)
    measure = check_metric(metric)
    first = _check_baseline(blueprints, baseline)
    _check_files(out, force=force)
    contenders = gather(lambda each: check_contender(each, seeds[0]), blueprints)
    unequal = _check_equal(contenders, allow_unequal=allow_unequal)
    states = _check_runs(contenders, seeds, out, force=force)
    found = _run_all(contenders, states, out, console)
    entries = tuple(_entry(each, seeds, found, out) for each in contenders)
    dataset, images = name_of(contenders[0].dataset), contenders[0].images
    made = Comparison(
        measure,
        first,
        tuple(seeds),
        entries,
        dataset,
        images,
        unequal=unequal,
        origin=origin,
        made_with=versions_of([run_folder(out, *place) for place in states]),
    )
    write_comparison(made, out)
    return made


def check_metric(key: str) -> Metric:
    """Return the measure of that key.

    Raises:
        BlueprintError: there is none.
    """
    if key not in METRICS:
        raise mistake(f"--metric {key}: no measure '{key}'{did_you_mean(key, METRICS)}")
    return METRICS[key]


def _check_baseline(blueprints: Sequence[Blueprint], name: str | None) -> str:
    names = [each.blueprint for each in blueprints]
    if name is None:
        return names[0]
    if name not in names:
        raise mistake(f"--baseline {name}: no blueprint '{name}'{did_you_mean(name, names)}")
    return name


def _check_files(out: Path, *, force: bool) -> None:
    """Let an earlier comparison be replaced, whose runs stay, but not files of somebody else."""
    if out.exists() and not out.is_dir():
        raise mistake(f"{out}: is no folder; choose another --out")
    if force or (out / NUMBERS).exists():
        return
    for name in FILES:
        if (out / name).exists():
            path = out / name
            raise mistake(f"{path}: exists already; choose another --out, or --force to replace it")


def _check_equal(contenders: Sequence[Contender], *, allow_unequal: bool) -> tuple[str, ...]:
    check_same_test(contenders)
    unequal = differences(contenders)
    if unequal and not allow_unequal:
        hint = "make them equal, or add --allow-unequal"
        problems = [Problem(f"the students differ in {each}; {hint}") for each in unequal]
        raise BlueprintError(problems)
    return tuple(unequal)


def _check_runs(
    contenders: Sequence[Contender], seeds: Sequence[int], out: Path, *, force: bool
) -> Runs:
    """Look at every run's folder before anything runs."""
    places = [(each, seed) for each in contenders for seed in seeds]

    def look(place: tuple[Contender, int]) -> State:
        contender, seed = place
        folder = run_folder(out, contender.name, seed)
        state = state_of(with_seed(contender.blueprint, seed), folder, force=force)
        if state is State.FINISHED:
            check_weights(contender.schedule, folder, seed)
        return state

    states = gather(look, places)
    return {(each.name, seed): state for (each, seed), state in zip(places, states, strict=True)}


def _run_all(
    contenders: Sequence[Contender], states: Runs, out: Path, console: Console | None
) -> dict[tuple[str, int], Evaluation]:
    """Run all, seed after seed, so that what is stopped has compared a few seeds in full."""
    seeds = list(dict.fromkeys(seed for _, seed in states))
    order = [(each, seed) for seed in seeds for each in contenders]
    found = {}
    for number, (each, seed) in enumerate(order, 1):
        state = states[each.name, seed]
        title = f"{each.name}, seed {seed} ({number} of {len(order)})"
        if console is not None:
            console.print(f"{title}{state.note}", markup=False, highlight=False, soft_wrap=True)
        blueprint = with_seed(each.blueprint, seed)
        folder = run_folder(out, each.name, seed)
        found[each.name, seed] = run_one(blueprint, folder, state, console)
    return found


def _entry(
    contender: Contender,
    seeds: Sequence[int],
    found: dict[tuple[str, int], Evaluation],
    out: Path,
) -> Entry:
    name, student = contender.name, contender.student
    reports = {seed: run_folder(out, name, seed) / "report.html" for seed in seeds}
    return Entry(
        name=name,
        student=student,
        parameters=contender.parameters,
        steps=contender.steps,
        all_steps=contender.all_steps,
        digest=digest_of(with_seed(contender.blueprint, 0)),
        measures={
            seed: {key: found[name, seed].models[student][key] for key in METRICS} for seed in seeds
        },
        reports={
            seed: path.relative_to(out).as_posix()
            for seed, path in reports.items()
            if path.exists()
        },
    )
