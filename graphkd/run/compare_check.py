"""Whether blueprints may be compared: found out before anything runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import attrs
import torch
from torch import Tensor

from graphkd.blueprint import Blueprint
from graphkd.blueprint.save import to_plain
from graphkd.compile import Schedule, compile_blueprint
from graphkd.component import Splits, name_of
from graphkd.errors import BlueprintError, Problem, mistake, shown
from graphkd.run.budget import Budget
from graphkd.run.deliver import total_parameters
from graphkd.run.evaluate import models_of
from graphkd.run.optim import make_optimizer
from graphkd.run.session import start_session
from graphkd.run.source import divide, open_splits, training_source
from graphkd.run.train import pick_device


@attrs.frozen(eq=False)
class Contender:
    """A blueprint that was found able to run.

    Attributes:
        schedule: what runs, with the first seed.
        student: the model that is handed back.
        steps: optimizer steps in the phases in which the student learns.
        all_steps: optimizer steps of all phases.
        settings: what the student learns with, by name of the setting.
        dataset: the data set, with its parameters.
        labels: of the test images; None without labels.
        images: number of test images.
        parameters: of what is handed back.
    """

    schedule: Schedule
    student: str
    steps: int
    all_steps: int
    settings: dict[str, Any]
    dataset: Any
    labels: Tensor | None
    images: int
    parameters: int

    @property
    def blueprint(self) -> Blueprint:
        """What was compiled."""
        return self.schedule.blueprint

    @property
    def name(self) -> str:
        """Name of the blueprint."""
        return self.blueprint.blueprint


def with_seed(blueprint: Blueprint, seed: int) -> Blueprint:
    """Return a blueprint that runs once, with that seed."""
    return attrs.evolve(blueprint, train=attrs.evolve(blueprint.train, seed=seed, seeds=()))


def digest_of(blueprint: Blueprint) -> str:
    """Hash a blueprint."""
    text = json.dumps(to_plain(blueprint), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def check_blueprints(blueprints: Sequence[Blueprint]) -> None:
    """Make sure that there are at least two, of different names.

    Raises:
        BlueprintError: there are fewer, or two are called alike.
    """
    if len(blueprints) < 2:
        raise mistake("compare takes two blueprints or more, like: graphkd compare hinton takd")
    names = [each.blueprint for each in blueprints]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        text = "blueprints are called {}; give each another name behind 'blueprint:', like '{}-2'"
        problems = [
            Problem(f"{names.count(name)} {text.format(shown(name), name)}") for name in twice
        ]
        raise BlueprintError(problems)


def check_contender(blueprint: Blueprint, seed: int) -> Contender:
    """Compile a blueprint, open its data, build its models once, and count its steps.

    Raises:
        BlueprintError: it cannot run, or does not hand back one model that can be measured.
    """
    schedule = compile_blueprint(with_seed(blueprint, seed))
    student = _student(schedule)
    splits = open_splits(schedule.blueprint)
    opened = divide(schedule.blueprint, splits, seed=seed)
    steps = {
        plan.name: Budget.of(plan, len(training_source(opened, plan, seed=seed))).steps
        for plan in schedule.phases
        if not plan.phase.fit
    }
    parts = _check_models(schedule, seed)
    own = [plan.name for plan in schedule.phases if student in plan.trained]
    return Contender(
        schedule,
        student,
        steps=sum(steps[name] for name in own),
        all_steps=sum(steps.values()),
        settings=_settings(schedule, student, splits),
        dataset=schedule.blueprint.data.dataset,
        labels=splits.test.labels,
        images=len(splits.test),
        parameters=total_parameters(parts[student]),
    )


def _student(schedule: Schedule) -> str:
    name, handed = schedule.blueprint.blueprint, schedule.deliver
    if len(handed) != 1:
        text = f"hands back {', '.join(handed)}; compare measures one model"
        raise mistake(f"{name}: {text}: write 'deliver: NAME'")
    if handed[0] not in models_of(schedule):
        raise mistake(f"{name}: '{handed[0]}' has no logits of the classes to measure it by")
    return handed[0]


def _check_models(schedule: Schedule, seed: int) -> dict[str, Any]:
    """Load weights and make optimizers, so that no run fails there hours later; give the parts."""
    device = pick_device(schedule.blueprint.train.device)
    session = start_session(schedule, seed=seed, device=device)
    for plan in schedule.phases:
        if plan.trained:
            make_optimizer(plan, session.parts)
    return session.parts


def _settings(schedule: Schedule, student: str, splits: Splits) -> dict[str, Any]:
    """Say what the student learns with; in phases that differ, a value for each."""
    found: dict[str, list[Any]] = {}
    for plan in schedule.phases:
        if student not in plan.trained:
            continue
        data = plan.data
        now = {
            "samples a step": data.batch_size * plan.recipe.accumulate,
            "half": data.half,
            "subset": data.subset,
            "labels_per_class": data.labels_per_class,
            "labelled_only": data.labelled_only and data.labels_per_class is not None,
            "extra": to_plain(data.extra),
            "augment": to_plain(data.augment),
            "augment_probability": data.augment_probability,
            "mixup": data.mixup,
            "cutmix": data.cutmix,
            "mixup_share": data.mixup_share,
        }
        for key, value in now.items():
            values = found.setdefault(key, [])
            if value not in values:
                values.append(value)
    if splits.validation is None:
        found["validation"] = [schedule.blueprint.data.validation]
    return dict(found)


def check_same_test(contenders: Sequence[Contender]) -> None:
    """Make sure that all students answer the same questions.

    Raises:
        BlueprintError: data sets or test splits differ; nothing allows that.
    """
    first = contenders[0]
    for other in contenders[1:]:
        pair = f"{first.name} and {other.name}"
        if other.dataset != first.dataset:
            names = f"{_described(first.dataset)} and {_described(other.dataset)}"
            raise mistake(f"{pair} have the data sets {names}; compare needs the same")
        if not _same_labels(first, other):
            raise mistake(f"{pair} have different test images; compare needs the same")


def _described(dataset: Any) -> str:
    parameters = to_plain(dataset)
    return f"{name_of(dataset)} {shown_value(parameters)}" if parameters else name_of(dataset)


def _same_labels(first: Contender, other: Contender) -> bool:
    if first.labels is None or other.labels is None:
        return first.images == other.images and first.labels is other.labels
    return torch.equal(first.labels, other.labels)


def differences(contenders: Sequence[Contender]) -> list[str]:
    """Say in what the data or the budget of the students differ, a clause each."""
    keys = list(dict.fromkeys(key for each in contenders for key in each.settings))
    found = [
        _difference(key, {c.name: c.settings.get(key, []) for c in contenders}) for key in keys
    ]
    steps = {each.name: [each.steps] for each in contenders}
    return [each for each in (_difference("optimizer steps", steps), *found) if each]


def _difference(setting: str, values: dict[str, list[Any]]) -> str:
    """Write `setting: 128 (a, b), 64 (c)`; empty where all have the same."""
    groups: dict[str, list[str]] = {}
    for name, several in values.items():
        text = " and ".join(shown_value(each) for each in several) or "none"
        groups.setdefault(text, []).append(name)
    if len(groups) == 1:
        return ""
    named = [f"{text} ({', '.join(names)})" for text, names in groups.items()]
    return f"{setting}: {', '.join(named)}"


def shown_value(value: Any) -> str:
    """Write plain data in one line, as a blueprint file would."""
    return json.dumps(value, ensure_ascii=False)
