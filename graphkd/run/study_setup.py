"""What a fidelity study reads out of a blueprint: a teacher, a student, and who trains them."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from graphkd.blueprint import Blueprint
from graphkd.component import kind_of, name_of
from graphkd.errors import BlueprintError, Problem, did_you_mean, mistake

TEACHER, STUDENT = "teacher", "student"
NEEDS = (
    "the study needs a node 'teacher', a model or an ensemble of models, that a phase trains, "
    "and a node 'student' that learns from it in a later phase"
)


@attrs.frozen
class Setup:
    """A blueprint that can be studied.

    Attributes:
        blueprint: as it was given.
        members: the models that the teacher is made of, one or several.
        alike: whether student and teacher are one network each, of the same architecture.
    """

    blueprint: Blueprint
    members: tuple[str, ...]
    alike: bool


def read_setup(blueprint: Blueprint) -> Setup:
    """Find teacher and student.

    Raises:
        BlueprintError: one of them is absent, or the teacher is not trained in a phase of its own.
    """
    absent = [name for name in (TEACHER, STUDENT) if name not in blueprint.nodes]
    if absent:
        raise BlueprintError(
            Problem(f"{blueprint.blueprint}: no node '{name}'{_hint(blueprint, name)}; {NEEDS}")
            for name in absent
        )
    members = _members(blueprint)
    said = [*_wrong_student(blueprint), *_wrong_teachers(blueprint, members)]
    if said:
        raise BlueprintError(Problem(f"{blueprint.blueprint}: {each}") for each in said)
    return Setup(blueprint, members, _alike(blueprint, members))


def _hint(blueprint: Blueprint, name: str) -> str:
    return did_you_mean(name, blueprint.nodes)


def _members(blueprint: Blueprint) -> tuple[str, ...]:
    """Name the models behind the teacher."""
    node = blueprint.nodes[TEACHER]
    if kind_of(node.component) == "model":
        return (TEACHER,)
    found = tuple(ref.node for ref in node.input)
    wrong = [str(ref) for ref in node.input if not _is_logits(blueprint, ref.node, ref.tap)]
    if kind_of(node.component) != "transform" or not found or wrong:
        reads = f" and reads {', '.join(wrong)}" if wrong else ""
        kind = f"is of type {name_of(node.component)}{reads}"
        text = "a model, or an ensemble with input: [one.logits, other.logits]"
        raise mistake(f"{blueprint.blueprint}: node 'teacher' {kind}; the study takes {text}")
    return found


def _is_logits(blueprint: Blueprint, name: str, tap: str) -> bool:
    node = blueprint.nodes.get(name)
    return node is not None and kind_of(node.component) == "model" and tap == "logits"


def _wrong_student(blueprint: Blueprint) -> Iterable[str]:
    component = blueprint.nodes[STUDENT].component
    if kind_of(component) != "model" or not getattr(component, "delivered", False):
        yield f"node 'student' is of type {name_of(component)}; write type: student"
    taught = [flow for flow in blueprint.flows if flow.to.node == STUDENT]
    if not any(flow.source.node == TEACHER for flow in taught):
        yield "no flow leads from 'teacher' to 'student'; add one, like from: teacher.logits"
    if not any(STUDENT in phase.train for phase in blueprint.phases):
        yield f"no phase has train: [student]; {NEEDS}"


def _wrong_teachers(blueprint: Blueprint, members: tuple[str, ...]) -> Iterable[str]:
    for name in members:
        component = blueprint.nodes[name].component
        phases = [phase for phase in blueprint.phases if name in phase.train]
        if getattr(component, "learns", False):
            yield f"node '{name}' is of type {name_of(component)}; write type: teacher"
        elif getattr(component, "has_weights", False):
            yield (
                f"node '{name}' has weights; the study trains teachers itself, each seed another: "
                f"drop weights, and write a phase with train: [{name}]"
            )
        elif not phases:
            yield f"no phase has train: [{name}]; {NEEDS}"
        for phase in phases:
            others = [each for each in phase.train if each not in members]
            if others:
                yield (
                    f"phase '{phase.name}' trains '{name}' together with {', '.join(others)}; "
                    "the study needs a phase of the teacher alone"
                )


def _alike(blueprint: Blueprint, members: tuple[str, ...]) -> bool:
    if members != (TEACHER,):
        return False
    one, other = (blueprint.nodes[name].component for name in (TEACHER, STUDENT))
    keys = ("model", "args", "classes", "channels", "size")
    return all(hasattr(one, key) and getattr(one, key) == getattr(other, key) for key in keys)
