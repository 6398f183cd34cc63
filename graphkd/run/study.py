"""Run a fidelity study: how well students reproduce their teacher, and what that depends on.

Source: Stanton, Izmailov, Kirichenko, Alemi, Wilson, "Does Knowledge Distillation Really Work?",
2021, arXiv 2106.05945.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from graphkd.blueprint import Blueprint
from graphkd.compile import compile_blueprint
from graphkd.component import Splits, name_of
from graphkd.errors import BlueprintError, gather
from graphkd.graph import vertex
from graphkd.inspect.comparison.data import Origin
from graphkd.inspect.study.data import Row, Study
from graphkd.inspect.study.files import write_study
from graphkd.inspect.study.plots import require_plots
from graphkd.run.compare_check import with_seed
from graphkd.run.compare_runs import State, check_weights, run_one, state_of, versions_of
from graphkd.run.source import open_splits
from graphkd.run.study_blueprints import near_blueprint
from graphkd.run.study_check import check_files, check_policy
from graphkd.run.study_measure import Answers, measure
from graphkd.run.study_policies import Policy
from graphkd.run.study_rows import rows_of
from graphkd.run.study_setup import STUDENT, Setup, read_setup
from graphkd.run.study_tasks import Task, tasks_of

SHARES = (0.0, 0.25, 0.375, 0.5, 0.75, 1.0)
"""Shares of the teacher's weights at which students start."""


def study_fidelity(
    blueprint: Blueprint,
    *,
    seeds: Sequence[int],
    policies: Sequence[Policy],
    out: Path,
    origin: Origin,
    shares: Sequence[float] = SHARES,
    force: bool = False,
    console: Console | None = None,
) -> Study:
    """Train teachers and students, and write how faithful the students are.

    For each seed: a teacher; a student for each policy; another teacher that differs in its initial
    weights, and a control student of it; students that start near the teacher, where both are of
    one architecture. Control and near students see the data of the first policy.

    A run lies in `OUT/NAME/seedN`, an ordinary run folder. One that is finished is used again, one
    that was stopped goes on, so that the same call after a kill ends with the same files.

    Args:
        blueprint: with the nodes `teacher` and `student`; its own seeds do not count.
        seeds: at least one, each at least 0.
        policies: at least one.
        out: the folder of the study.
        origin: what is said of where it comes from.
        shares: no unit, each 0 to 1; none leaves this part out.
        force: replace runs of other blueprints, and files of the same names, that lie there.
        console: where progress is shown; nowhere by default.

    Raises:
        BlueprintError: with what forbids the study; then nothing has run. Or a run was changed.
        Stopped: the user asked to stop; the same call goes on.
    """
    require_plots()
    setup = read_setup(blueprint)
    check_files(out, force=force)
    kept = tuple(dict.fromkeys(shares)) if setup.alike else ()
    gather(lambda each: check_policy(setup, each, seeds[0]), policies)
    if kept:
        compile_blueprint(near_blueprint(with_seed(blueprint, seeds[0]), kept[0]))
    tasks = tasks_of(setup, policies, kept, seeds, out=out)
    states = gather(lambda each: state_of(each.blueprint, each.folder, force=force), tasks)
    rows = _run_all(setup, tasks, states, force=force, console=console)
    found = _study(setup, policies, kept, rows, tasks, origin)
    write_study(found, out)
    return found


def _run_all(
    setup: Setup,
    tasks: Sequence[Task],
    states: Sequence[State],
    *,
    force: bool,
    console: Console | None,
) -> list[Row]:
    """Run what has not run, and measure each seed when its runs are there."""
    splits = open_splits(setup.blueprint)
    rows: list[Row] = []
    answers: list[tuple[Task, Answers]] = []
    for number, (task, state) in enumerate(zip(tasks, states, strict=True), 1):
        now = _checked(task, state, force=force)
        if console is not None:
            line = f"{task.title} ({number} of {len(tasks)}){now.note}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        shown = console if console is not None and console.is_terminal else None
        run_one(task.blueprint, task.folder, now, shown)
        if task.teacher is not None:
            answers.append((task, _measured(setup, task, splits)))
        if number == len(tasks) or tasks[number].seed != task.seed:
            rows += rows_of(answers)
            answers = []
    return rows


def _checked(task: Task, state: State, *, force: bool) -> State:
    """Find out whether a run that is there was made with the teacher that is there.

    Raises:
        BlueprintError: it was not, and must stay.
    """
    if task.teacher is None or state not in (State.FINISHED, State.STOPPED):
        return state
    try:
        check_weights(compile_blueprint(task.blueprint), task.folder, task.seed)
    except BlueprintError:
        if not force:
            raise
        return State.OTHER
    return state


def _measured(setup: Setup, task: Task, splits: Splits) -> Answers:
    assert task.teacher is not None
    teaching = compile_blueprint(task.teacher.blueprint)
    base = [plan for plan in teaching.phases if set(setup.members) & set(plan.trained)][-1]
    schedule = compile_blueprint(task.blueprint)
    return measure(
        schedule, task.folder, seed=task.seed, splits=splits, base=base, alike=setup.alike
    )


def _study(
    setup: Setup,
    policies: Sequence[Policy],
    shares: Sequence[float],
    rows: Sequence[Row],
    tasks: Sequence[Task],
    origin: Origin,
) -> Study:
    blueprint = setup.blueprint
    schedule = compile_blueprint(blueprint)
    remarks = []
    if not setup.alike:
        remarks.append(
            "Teacher and student are not one network each of the same architecture, so none starts "
            "near its teacher and no stages are compared."
        )
    count = {
        split: [r.values["images"] for r in rows if r.split == split] for split in ("train", "test")
    }
    return Study(
        blueprint=blueprint.blueprint,
        about=blueprint.about,
        seeds=tuple(dict.fromkeys(task.seed for task in tasks)),
        policies={each.name: each.about for each in policies},
        shares=tuple(shares),
        rows=tuple(rows),
        dataset=name_of(blueprint.data.dataset),
        images={split: int(found[0]) for split, found in count.items()},
        parameters=vertex(schedule.graph, STUDENT).cost.parameters,
        remarks=tuple(remarks),
        origin=origin,
        made_with=versions_of([task.folder for task in tasks]),
    )
