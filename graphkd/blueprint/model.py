"""The blueprint: plain data, the same in a file and in Python."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from graphkd.blueprint.located import KEY, Where
from graphkd.blueprint.parts import (
    NODE_KINDS,
    Augment,
    Cache,
    Data,
    Extra,
    Flow,
    Node,
    Ramp,
    Via,
    flow_name,
)
from graphkd.blueprint.recipe import RUN_WIDE, Phase, Train
from graphkd.blueprint.refs import Handle, Ref, Source, as_names
from graphkd.component import kind_of, name_of
from graphkd.errors import Place

__all__ = [
    "KEY",
    "NODE_KINDS",
    "RUN_WIDE",
    "Augment",
    "Blueprint",
    "Cache",
    "Data",
    "Extra",
    "Flow",
    "Handle",
    "Node",
    "Phase",
    "Ramp",
    "Ref",
    "Train",
    "Via",
    "Where",
    "data_of",
    "flow_name",
    "recipe_of",
    "wrong_node_name",
]


def _is_folder_name(_: object, __: object, name: str) -> None:
    """The run folder is called by it, so that it must not lead elsewhere."""
    if not re.fullmatch(r"\w[\w .+-]*", name):
        raise ValueError("write letters, digits, '_', '-', '+', '.' or blanks, no '/'")


def wrong_node_name(name: str) -> str:
    """Say what is wrong with a node's name; empty when it can be one."""
    if name == "data":
        return "a node cannot be called 'data': that is the data set"
    if not re.fullmatch(r"\w[\w-]*", name):
        return "a node's name holds letters, digits, '_' and '-' only"
    return ""


@attrs.define
class Blueprint:
    """The declaration of one run: data, nodes, flows, phases and the recipe.

    Attributes:
        blueprint: the name of the set-up, and of its run folder.
        data: what is learnt from.
        about: one sentence on what it shows, with its source.
        nodes: the boxes, by name.
        flows: who teaches whom.
        phases: the stretches of training, in order; empty: one, in which all learn.
        train: the recipe.
        deliver: names of the nodes that the run hands back; empty: the student.
        folder: where relative paths start.
        places: where each value was written.
    """

    blueprint: str = attrs.field(validator=_is_folder_name)
    data: Data
    about: str = ""
    nodes: dict[str, Node] = attrs.field(factory=dict)
    flows: list[Flow] = attrs.field(factory=list)
    phases: list[Phase] = attrs.field(factory=list)
    train: Train = attrs.field(factory=Train)
    deliver: tuple[str, ...] = attrs.field(default=(), converter=as_names)
    folder: Path = attrs.field(factory=Path, eq=False, metadata={"key": None})
    places: Mapping[Where, Place] = attrs.field(
        factory=dict, eq=False, repr=False, metadata={"key": None}
    )

    @property
    def batch(self) -> Handle:
        """What the data offers in each step: `batch.image`, `batch.label` and so on."""
        return Handle("data")

    def node(self, name: str, component: Any, **settings: Any) -> Handle:
        """Add a box and return the handle of its taps.

        Args:
            name: its name; new in this blueprint.
            component: what it is.
            settings: fields of `Node`; `input` may be one tap or several.

        Raises:
            ValueError: the name is taken or cannot be one, or the component is no node.
        """
        wrong = f"there is already a node '{name}'" if name in self.nodes else wrong_node_name(name)
        if wrong:
            raise ValueError(wrong)
        if kind_of(component) not in NODE_KINDS:
            raise ValueError(f"'{name_of(component)}' is a {kind_of(component)}, not a node")
        self.nodes[name] = Node(component, **settings)
        return Handle(name)

    def flow(self, source: Source, to: Source, loss: Any, **settings: Any) -> None:
        """Add a flow from knowledge to learner.

        Args:
            source: the knowledge.
            to: the learner.
            loss: a loss component.
            settings: fields of `Flow`; `via` may be one projector or several.

        Raises:
            ValueError: `loss` is no loss.
        """
        if kind_of(loss) != "loss":
            raise ValueError(f"'{name_of(loss)}' is a {kind_of(loss)}, not a loss")
        self.flows.append(Flow(source, to, loss, **settings))

    def place(self, *where: str | int) -> Place | None:
        """Say where a value was written; the nearest enclosing one if it stands nowhere itself."""
        path: Where = where
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path)

    def place_of_key(self, *where: str | int) -> Place | None:
        """Say where the key of a value was written."""
        return self.places.get((*where, KEY)) or self.place(*where)


def recipe_of(blueprint: Blueprint, phase: Phase) -> Train:
    """Return the recipe with the phase's changes."""
    changes = dict(phase.recipe)
    if "epochs" in changes:
        changes.setdefault("steps", 0)
    return attrs.evolve(blueprint.train, **changes)


def data_of(blueprint: Blueprint, phase: Phase) -> Data:
    """Return the data settings with the phase's changes."""
    return attrs.evolve(blueprint.data, **phase.data)
