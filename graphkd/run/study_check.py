"""Whether a study may run: found out before anything runs."""

from __future__ import annotations

from pathlib import Path

from graphkd.compile import compile_blueprint
from graphkd.errors import BlueprintError, Problem, mistake
from graphkd.inspect.study.files import FILES, NUMBERS
from graphkd.run.compare_check import with_seed
from graphkd.run.source import divide, open_splits, training_source
from graphkd.run.study_policies import Policy, shown_by, taught_by
from graphkd.run.study_setup import STUDENT, Setup


def check_files(out: Path, *, force: bool) -> None:
    """Let an earlier study be replaced, whose runs stay, but not files of somebody else."""
    if out.exists() and not out.is_dir():
        raise mistake(f"{out}: is no folder; choose another --out")
    if force or (out / NUMBERS).exists():
        return
    for name in FILES:
        path = out / name
        if path.exists():
            raise mistake(f"{path}: exists already; choose another --out, or --force to replace it")


def check_policy(setup: Setup, policy: Policy, seed: int) -> None:
    """Compile the blueprint with a policy's data, and make its batches, so that no run fails."""
    views = {True: shown_by(policy, setup.blueprint)}
    if policy.teacher:
        views[False] = taught_by(policy, setup.blueprint)
    for of_student, view in views.items():
        made = with_seed(view, seed)
        try:
            schedule = compile_blueprint(made)
            opened = divide(made, open_splits(made), seed=seed)
            for plan in schedule.phases:
                if (STUDENT in plan.trained) == of_student:
                    training_source(opened, plan, seed=seed)
        except BlueprintError as error:
            said = [Problem(f"policy '{policy.name}': {each.message}") for each in error.problems]
            raise BlueprintError(said) from error
