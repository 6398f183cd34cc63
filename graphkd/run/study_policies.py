"""Policies of a fidelity study: what a student is shown while it is distilled."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from graphkd.blueprint import Blueprint, loads
from graphkd.blueprint.read import read_file
from graphkd.blueprint.recipe import DATA_CHANGES
from graphkd.blueprint.save import to_plain
from graphkd.errors import BlueprintError, Problem, did_you_mean, mistake, shown

SHIPPED = Path(__file__).with_name("study_policies.yaml")
KEYS = ("about", "data", "augment", "teacher")
TAKEN = ("control", "other")
"""Names whose folders are those of the control student and its teacher."""


@attrs.frozen
class Policy:
    """A change of a blueprint's data section.

    Attributes:
        name: how tables and folders call it.
        about: one sentence on what the student is shown.
        data: keys of the data section that change for the student.
        augment: steps of augmentation behind those of the data section.
        teacher: keys that change for its teacher, which then is one of its own.
    """

    name: str
    about: str = ""
    data: Mapping[str, Any] = attrs.field(factory=dict)
    augment: Sequence[Any] = ()
    teacher: Mapping[str, Any] = attrs.field(factory=dict)


def choose_policies(words: str | None) -> tuple[Policy, ...]:
    """Find policies by what a user wrote.

    Args:
        words: names of shipped policies and `.yaml` files of further ones, with commas between; a
            file's are all taken, and may be named as well. None: all that are shipped.

    Raises:
        BlueprintError: there is no such policy or file, or a file holds something else.
    """
    known = read_policies(SHIPPED)
    if words is None:
        return tuple(known.values())
    named = [each.strip() for each in words.split(",") if each.strip()]
    files = [each for each in named if each.endswith((".yaml", ".yml"))]
    own = {name: one for file in files for name, one in read_policies(Path(file)).items()}
    known |= own
    chosen: dict[str, Policy] = {}
    for name in named:
        if name in files:
            chosen |= own
        elif name in known:
            chosen[name] = known[name]
        else:
            raise mistake(f"--policies {words}: no policy '{name}'{did_you_mean(name, known)}")
    if not chosen:
        raise mistake("--policies names none; write names, like baseline,mixup, or leave it out")
    return tuple(chosen.values())


def read_policies(file: Path) -> dict[str, Policy]:
    """Read a file of policies.

    Raises:
        BlueprintError: with every mistake in it.
    """
    located = read_file(file)
    if located.problems:
        raise BlueprintError(located.problems)
    value = located.value
    if not isinstance(value, dict) or not value:
        raise mistake(f"{file}: holds no policies; write NAME: {{data: {{augment: []}}}}")
    problems = [
        Problem(f"{file}: policy {shown(name)}: {said}")
        for name, settings in value.items()
        for said in _wrong(name, settings)
    ]
    if problems:
        raise BlueprintError(problems)
    return {name: Policy(name, **settings) for name, settings in value.items()}


def _wrong(name: Any, settings: Any) -> Iterable[str]:
    """Say what is wrong with a policy as it was read."""
    if not isinstance(name, str) or not re.fullmatch(r"[\w+-][\w .+-]*", name):
        yield "write a name of letters, digits, '_', '-', '+', '.'"
    elif name in TAKEN:
        yield f"a folder of the study's own is called '{name}'; write another name"
    if not isinstance(settings, dict):
        yield f"is {shown(settings)}, not a mapping with {' and '.join(KEYS)}"
        return
    for key, value in settings.items():
        if key not in KEYS:
            yield f"no key {shown(key)}{did_you_mean(str(key), KEYS)}"
        elif key == "about":
            if not isinstance(value, str):
                yield f"about is {shown(value)}, not a sentence"
        elif key == "augment":
            if not isinstance(value, list):
                yield f"augment is {shown(value)}, not a list of steps"
        elif not isinstance(value, dict):
            yield f"{key} is {shown(value)}, not a mapping of data settings"
        else:
            for setting in value:
                if setting not in DATA_CHANGES:
                    hint = did_you_mean(str(setting), DATA_CHANGES)
                    yield f"{key} cannot change {shown(setting)}{hint}"


def shown_by(policy: Policy, blueprint: Blueprint) -> Blueprint:
    """Let a policy change what the student of a blueprint is shown."""
    who = f"policy '{policy.name}'"
    changes = dict(policy.data)
    if policy.augment:
        before = changes.get("augment", to_plain(blueprint)["data"].get("augment", []))
        changes["augment"] = [*before, *policy.augment]
    return with_data(blueprint, changes, who=who)


def taught_by(policy: Policy, blueprint: Blueprint) -> Blueprint:
    """Let a policy change what the teacher of a blueprint learns from."""
    return with_data(blueprint, policy.teacher, who=f"policy '{policy.name}'")


def with_data(blueprint: Blueprint, changes: Mapping[str, Any], *, who: str) -> Blueprint:
    """Change the data section of a blueprint, in all phases alike.

    Args:
        blueprint: what is changed.
        changes: keys of the data section; a phase keeps none of these for itself.
        who: whose changes they are, for messages.

    Raises:
        BlueprintError: the data section cannot be so.
    """
    if not changes:
        return blueprint
    plain = to_plain(blueprint)
    plain["data"] = {**plain["data"], **changes}
    for phase in plain.get("phases", ()):
        kept = {key: each for key, each in phase.pop("data", {}).items() if key not in changes}
        phase |= {"data": kept} if kept else {}
    try:
        # JSON is YAML
        return loads(json.dumps(plain), name=who, folder=blueprint.folder)
    except BlueprintError as error:
        raise BlueprintError([Problem(f"{who}: {p.message}") for p in error.problems]) from error
