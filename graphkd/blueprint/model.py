"""The attrs model of a blueprint: plain data, the same in a file and in Python."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import attrs
from attrs.validators import ge, gt, le, lt, min_len, optional

from graphkd.component import kind_of, name_of
from graphkd.errors import Place

NODE_KINDS = ("model", "projector", "transform", "probe")

Where = tuple[str | int, ...]


@attrs.frozen
class Ref:
    """A tap of a node, written `teacher.logits`.

    Attributes:
        node: name of the node, or `data`.
        tap: name of the tap; empty for a node with a single output.
    """

    node: str
    tap: str = ""

    @classmethod
    def parse(cls, text: str) -> Ref:
        """Read `node.tap`; a tap may hold dots (`student.layer1.0.conv1`)."""
        node, _, tap = text.partition(".")
        return cls(node, tap)

    def __str__(self) -> str:
        """Write `node.tap`."""
        return f"{self.node}.{self.tap}" if self.tap else self.node


@attrs.frozen
class Handle:
    """A node in the Python form; its attributes are its taps: `teacher.logits`.

    Attributes:
        name: name of the node.
    """

    name: str

    def __getattr__(self, tap: str) -> Ref:
        """Refer to a tap."""
        if tap.startswith("__"):
            raise AttributeError(tap)
        return Ref(self.name, tap)

    def __getitem__(self, tap: str) -> Ref:
        """Refer to a tap whose name is no Python word: `student["layer1.0"]`."""
        return Ref(self.name, tap)


@attrs.frozen
class Augment:
    """One step of augmentation.

    Attributes:
        component: which augmentation, with its parameters.
    """

    component: Any = attrs.field(metadata={"kinds": ("augmentation",), "key": "type"})


@attrs.frozen
class Data:
    """What is learnt from.

    Attributes:
        dataset: which data set, with its parameters.
        batch_size: samples in a step of one process.
        workers: processes that load samples; 0 loads in the training process.
        validation: share of the training samples kept for choosing the best checkpoint, for data
            sets that have no validation split of their own.
        labels_per_class: how many training samples of a class keep their label; the others stay
            without. Empty: all.
        labelled_only: leave the samples without a label out.
        augment: steps applied to each training image, in this order.
        mixup: alpha of MixUp's Beta distribution, 0 for none.
        cutmix: alpha of CutMix's Beta distribution, 0 for none.
    """

    dataset: Any = attrs.field(metadata={"kinds": ("dataset",), "key": "dataset"})
    batch_size: int = attrs.field(default=128, validator=ge(1))
    workers: int = attrs.field(default=0, validator=ge(0))
    validation: float = attrs.field(default=0.1, validator=[gt(0.0), lt(1.0)])
    labels_per_class: int | None = attrs.field(default=None, validator=optional(ge(1)))
    labelled_only: bool = False
    augment: tuple[Augment, ...] = ()
    mixup: float = attrs.field(default=0.0, validator=ge(0.0))
    cutmix: float = attrs.field(default=0.0, validator=ge(0.0))


@attrs.frozen
class Node:
    """A named box.

    Attributes:
        component: what the box is, with its parameters.
        input: the taps it reads, in the order of its ports; models read `data.image` by default.
        extra: taps for ports by name.
        lr: learning rate of its parameters, instead of the recipe's.
        weight_decay: weight decay of its parameters, instead of the recipe's.
        ema: decay of an exponential moving average of its weights, 0 for none.
        seed: seed of its initial weights; empty: derived from the run's seed and the node's name.
    """

    component: Any = attrs.field(metadata={"kinds": NODE_KINDS, "key": "type"})
    input: tuple[Ref, ...] = ()
    extra: Mapping[str, Ref] = attrs.field(factory=dict, metadata={"key": "with"})
    lr: float | None = attrs.field(default=None, validator=optional(gt(0.0)))
    weight_decay: float | None = attrs.field(default=None, validator=optional(ge(0.0)))
    ema: float = attrs.field(default=0.0, validator=[ge(0.0), lt(1.0)])
    seed: int | None = attrs.field(default=None, validator=optional(ge(0)))


@attrs.frozen
class Ramp:
    """A loss weight that changes over a phase, then stays.

    Attributes:
        start: weight at the beginning of the phase.
        end: weight after `epochs`.
        epochs: length of the change.
        shape: `linear`, `cosine` (slow at both ends) or `exp` (exp(-5 (1 - t)^2), slow start).
    """

    start: float
    end: float
    epochs: float = attrs.field(validator=gt(0.0))
    shape: Literal["linear", "cosine", "exp"] = "linear"


@attrs.frozen
class Via:
    """A projector in a flow.

    Attributes:
        component: which projector, with its parameters.
        on: the side it stands on: `to`, the learner's, or `from`, the knowledge's.
    """

    component: Any = attrs.field(metadata={"kinds": ("projector",), "key": "type"})
    on: Literal["to", "from"] = "to"


@attrs.frozen
class Flow:
    """Knowledge from one tap to another, through one loss.

    Attributes:
        source: the knowledge; gradient stops here.
        to: the learner; gradient flows here.
        loss: how far the learner is from the knowledge.
        via: projectors between a tap and the loss, in order.
        weight: factor of the loss, or a ramp.
        every: alive in every n-th step only.
        phases: names of the phases it may be alive in; empty: all.
        into: names of the nodes whose parameters it may change; empty: all that it reaches.
        extra: taps for further ports of the loss by name.
        name: how logs and messages call it; empty: made from source, learner and loss.
    """

    source: Ref = attrs.field(metadata={"key": "from"})
    to: Ref
    loss: Any = attrs.field(metadata={"kinds": ("loss",), "key": "loss"})
    via: tuple[Via, ...] = ()
    weight: float | Ramp = 1.0
    every: int = attrs.field(default=1, validator=ge(1))
    phases: tuple[str, ...] = ()
    into: tuple[str, ...] = ()
    extra: Mapping[str, Ref] = attrs.field(factory=dict, metadata={"key": "with"})
    name: str = ""


@attrs.frozen
class Train:
    """The recipe.

    Attributes:
        epochs: passes over the training data.
        steps: optimizer steps, instead of epochs.
        optimizer: name of an optimizer in timm: adamw, sgd, lamb, …
        lr: learning rate.
        weight_decay: weight decay; biases, norms and what a model excludes get none.
        momentum: momentum of the optimizers that have one.
        schedule: course of the learning rate.
        warmup_epochs: epochs in which the learning rate rises from near 0.
        min_lr: learning rate at the end of a cosine, tanh or poly course.
        decay_epochs: epochs between the drops of `step`.
        decay_rate: factor of each drop of `step` and `multistep`.
        milestones: epochs of the drops of `multistep`.
        clip_grad: largest norm of the gradient; 0 does not clip.
        accumulate: batches whose gradients are added up before a step.
        precision: element type of the forwards, by autocast.
        device: auto, cpu, cuda or cuda:N.
        compile: run the phase's forward through torch.compile.
        channels_last: keep images and convolutions in channels-last order.
        seed: seed of weights, order, augmentation and dropout.
        seeds: run once for each seed and compare.
        log_every: steps between two records of the losses.
        checkpoint_every: steps between two checkpoints; 0: at the end of each epoch.
        keep: how many checkpoints stay, besides the best.
    """

    epochs: int = attrs.field(default=10, validator=ge(1))
    steps: int = attrs.field(default=0, validator=ge(0))
    optimizer: str = "adamw"
    lr: float = attrs.field(default=1e-3, validator=gt(0.0))
    weight_decay: float = attrs.field(default=0.05, validator=ge(0.0))
    momentum: float = attrs.field(default=0.9, validator=[ge(0.0), lt(1.0)])
    schedule: Literal["constant", "cosine", "tanh", "step", "multistep", "poly"] = "cosine"
    warmup_epochs: float = attrs.field(default=0.0, validator=ge(0.0))
    min_lr: float = attrs.field(default=0.0, validator=ge(0.0))
    decay_epochs: float = attrs.field(default=30.0, validator=gt(0.0))
    decay_rate: float = attrs.field(default=0.1, validator=[gt(0.0), le(1.0)])
    milestones: tuple[int, ...] = ()
    clip_grad: float = attrs.field(default=0.0, validator=ge(0.0))
    accumulate: int = attrs.field(default=1, validator=ge(1))
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    device: str = "auto"
    compile: bool = False
    channels_last: bool = False
    seed: int = attrs.field(default=0, validator=ge(0))
    seeds: tuple[int, ...] = ()
    log_every: int = attrs.field(default=10, validator=ge(1))
    checkpoint_every: int = attrs.field(default=0, validator=ge(0))
    keep: int = attrs.field(default=2, validator=ge(1))


RUN_WIDE = ("device", "seed", "seeds", "log_every", "checkpoint_every", "keep")
"""Fields of the recipe that a phase cannot change."""


@attrs.frozen
class Phase:
    """A stretch of training.

    Attributes:
        name: how messages, logs and `phases` of flows call it.
        train: names of the models that learn; empty: all that are not frozen by their type.
        fit: names of the nodes fitted in one pass over the training data, instead of training.
        recipe: fields of the recipe that differ in this phase, written beside `name`.
        data: fields of the data settings that differ in this phase.
    """

    name: str = attrs.field(validator=min_len(1))
    train: tuple[str, ...] = ()
    fit: tuple[str, ...] = ()
    recipe: Mapping[str, Any] = attrs.field(factory=dict)
    data: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.define
class Blueprint:
    """The declaration of one run: data, nodes, flows, phases and the recipe.

    Attributes:
        blueprint: the name of the set-up.
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

    blueprint: str
    data: Data
    about: str = ""
    nodes: dict[str, Node] = attrs.field(factory=dict)
    flows: list[Flow] = attrs.field(factory=list)
    phases: list[Phase] = attrs.field(factory=list)
    train: Train = attrs.field(factory=Train)
    deliver: tuple[str, ...] = ()
    folder: Path = attrs.field(factory=Path, eq=False, metadata={"key": None})
    places: Mapping[Where, Place] = attrs.field(
        factory=dict, eq=False, repr=False, metadata={"key": None}
    )

    @property
    def batch(self) -> Handle:
        """What the data set offers in each step: `batch.image`, `batch.label`, `batch.index`."""
        return Handle("data")

    def node(self, name: str, component: Any, **settings: Any) -> Handle:
        """Add a box and return the handle of its taps.

        Args:
            name: its name; new in this blueprint.
            component: what it is.
            settings: fields of `Node`; `input` may be one tap or several.

        Raises:
            ValueError: the name is taken, or the component is no node.
        """
        if name in self.nodes or name == "data":
            raise ValueError(f"there is already a node '{name}'")
        if kind_of(component) not in NODE_KINDS:
            raise ValueError(f"'{name_of(component)}' is a {kind_of(component)}, not a node")
        source = settings.pop("input", ())
        refs = (source,) if isinstance(source, Ref) else tuple(source)
        self.nodes[name] = Node(component, input=refs, **settings)
        return Handle(name)

    def flow(self, source: Ref, to: Ref, loss: Any, **settings: Any) -> None:
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
        via = settings.pop("via", ())
        steps = via if isinstance(via, (list, tuple)) else (via,)
        projectors = tuple(step if isinstance(step, Via) else Via(step) for step in steps)
        self.flows.append(Flow(source, to, loss, via=projectors, **settings))

    def place(self, *where: str | int) -> Place | None:
        """Say where a value was written; the nearest enclosing one if it stands nowhere itself."""
        path: Where = where
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path)

    def place_of_key(self, *where: str | int) -> Place | None:
        """Say where the key of a value was written."""
        return self.places.get((*where, KEY)) or self.place(*where)


KEY = "\0key"
"""Last part of a path under which the place of a mapping's key is kept."""


def flow_name(flow: Flow) -> str:
    """Name a flow as logs do: `teacher.logits->student.logits/kl`."""
    return flow.name or f"{flow.source}->{flow.to}/{name_of(flow.loss)}"


def recipe_of(blueprint: Blueprint, phase: Phase) -> Train:
    """Return the recipe with the phase's changes."""
    changes = dict(phase.recipe)
    if "epochs" in changes:
        changes.setdefault("steps", 0)
    return attrs.evolve(blueprint.train, **changes)


def data_of(blueprint: Blueprint, phase: Phase) -> Data:
    """Return the data settings with the phase's changes."""
    return attrs.evolve(blueprint.data, **phase.data)
