"""The runs of a fidelity study: which there are, and what each needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from graphkd.blueprint import Blueprint
from graphkd.inspect.study.data import share_name
from graphkd.run.compare_check import with_seed
from graphkd.run.compare_runs import run_folder
from graphkd.run.study_blueprints import (
    near_blueprint,
    other_teacher,
    student_blueprint,
    teacher_blueprint,
)
from graphkd.run.study_policies import Policy, shown_by, taught_by
from graphkd.run.study_setup import Setup


@attrs.frozen
class Task:
    """One run.

    Attributes:
        part: `teacher`, `policy`, `control` or `near`.
        name: of the row that it is measured for; of a teacher, that of its folder.
        blueprint: with the seed of the run.
        folder: where it lies.
        teacher: the run whose models teach in it; None for a teacher.
        share: of the teacher's weights; None for one that starts at random.
    """

    part: str
    name: str
    blueprint: Blueprint
    folder: Path
    teacher: Task | None = None
    share: float | None = None

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return self.blueprint.train.seed

    @property
    def title(self) -> str:
        """Name the run for people."""
        return f"{self.folder.parent.name}, seed {self.seed}"


def tasks_of(
    setup: Setup,
    policies: Sequence[Policy],
    shares: Sequence[float],
    seeds: Sequence[int],
    *,
    out: Path,
) -> list[Task]:
    """List the runs seed after seed, each behind its teacher."""
    return [
        task for seed in seeds for task in _of_seed(setup, policies, shares, out=out, seed=seed)
    ]


def _of_seed(
    setup: Setup, policies: Sequence[Policy], shares: Sequence[float], *, out: Path, seed: int
) -> Iterator[Task]:
    whole, first = setup.blueprint, policies[0]
    # a name of its own for a teacher of the first policy would say nothing
    base = taught_by(first, teacher_blueprint(setup, name=f"{whole.blueprint}-teacher"))
    teacher = _task("teacher", "teacher", base, seed, out)
    yield teacher
    for policy in policies:
        own = teacher
        if policy.teacher != first.teacher:
            name = f"teacher-{policy.name}"
            made = teacher_blueprint(setup, name=f"{whole.blueprint}-{name}")
            own = _task("teacher", name, taught_by(policy, made), seed, out)
            yield own
        made = _student(setup, policy, own, name=f"{whole.blueprint}-{policy.name}")
        yield _task("policy", policy.name, made, seed, out, own)
    other = _task(
        "teacher", "teacher-other", other_teacher(base, setup.members, seed=seed), seed, out
    )
    yield other
    made = _student(setup, first, other, name=f"{whole.blueprint}-control")
    yield _task("control", "control", made, seed, out, other)
    for share in shares:
        made = _student(setup, first, teacher, name=f"{whole.blueprint}-near-{share_name(share)}")
        near = _task("near", share_name(share), near_blueprint(made, share), seed, out, teacher)
        yield attrs.evolve(near, share=share)


def _task(
    part: str, name: str, blueprint: Blueprint, seed: int, out: Path, teacher: Task | None = None
) -> Task:
    folder = {"policy": f"student-{name}", "control": "student-control", "near": f"near-{name}"}
    place = run_folder(out, folder.get(part, name), seed)
    return Task(part, name, with_seed(blueprint, seed), place, teacher)


def _student(setup: Setup, policy: Policy, teacher: Task, *, name: str) -> Blueprint:
    files = weights_of(setup, teacher.folder)
    made = student_blueprint(setup, name=name, weights=files)
    return shown_by(policy, made)


def weights_of(setup: Setup, folder: Path) -> dict[str, str]:
    """Say where the run of a teacher keeps the weights of each member, as a blueprint writes it."""
    home = folder.resolve()
    if len(setup.members) == 1:
        return {setup.members[0]: f"run:{home}"}
    return {name: str(home / f"{name}.safetensors") for name in setup.members}
