"""The compiled program as plain data: instructions, phases, and the schedule."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from graphkd.blueprint.model import Blueprint, Cache, Data, Flow, Phase, Ramp, Train
from graphkd.component import ImageSpec
from graphkd.graph import Graph, Placement


@attrs.frozen
class Read:
    """A value that an instruction takes.

    Attributes:
        value: its name, `student.logits`.
        detach: whether its gradient stops here.
    """

    value: str
    detach: bool = False


@attrs.frozen
class Convert:
    """Bring an image to a model's size, channels and normalization.

    Attributes:
        node: the conversion's vertex.
        reads: the image, in [0, 1].
        makes: name of the converted image.
        image: what the model expects.
        gradient: whether a graph is recorded, as the image was made by something that learns.
        frees: values that nobody reads any more.
    """

    node: str
    reads: tuple[Read, ...]
    makes: tuple[str, ...]
    image: ImageSpec
    gradient: bool = False
    frees: tuple[str, ...] = ()


@attrs.frozen
class Forward:
    """Run a model, projector or transform.

    Attributes:
        node: whose outputs are computed.
        module: the node that owns the module; another one for a call.
        reads: its inputs.
        taps: what it computes; one empty name for what is no model.
        makes: names of the values, in the order of `taps`.
        gradient: whether a graph is recorded.
        stops: whether it ends behind the deepest tap.
        placement: how and where it runs.
        frees: values that nobody reads any more.
    """

    node: str
    module: str
    reads: tuple[Read, ...]
    taps: tuple[str, ...]
    makes: tuple[str, ...]
    gradient: bool
    stops: bool = False
    placement: Placement = attrs.field(factory=Placement)
    frees: tuple[str, ...] = ()


@attrs.frozen
class Wait:
    """Wait for a forward on the side stream, whose values are read next.

    Attributes:
        node: whose forward.
        reads: its values.
        frees: values that nobody reads any more.
    """

    node: str
    reads: tuple[Read, ...]
    frees: tuple[str, ...] = ()


@attrs.frozen
class Cached:
    """Read a frozen node's outputs from its store.

    Where the store lacks a sample of the batch, `body` computes them, and they are stored and read.

    Attributes:
        node: whose outputs are read.
        reads: the samples' rows in the store, and what `body` reads.
        makes: names of the values.
        body: conversions that nothing else reads, and the node's forward.
        settings: how they are kept.
        views: how many augmentations of each sample are kept.
        frees: values that nobody reads any more.
    """

    node: str
    reads: tuple[Read, ...]
    makes: tuple[str, ...]
    body: tuple[Convert | Forward, ...]
    settings: Cache
    views: int
    frees: tuple[str, ...] = ()

    @property
    def forward(self) -> Forward:
        """What computes the values."""
        *_, last = self.body
        assert isinstance(last, Forward)
        return last


@attrs.frozen
class Loss:
    """Compute one flow's loss.

    Attributes:
        node: the loss vertex.
        name: how logs call the flow.
        reads: the ports, learner first.
        weight: factor, or a ramp.
        every: alive in every n-th step.
        into: nodes whose parameters it may change; empty: all.
        frees: values that nobody reads any more.
    """

    node: str
    name: str
    reads: tuple[Read, ...]
    weight: float | Ramp
    every: int = 1
    into: tuple[str, ...] = ()
    frees: tuple[str, ...] = ()


@attrs.frozen
class Fused:
    """Compute several losses and their weighted sum in one launch.

    Where the fusion has a launch for the device, the `Loss` instructions of its members are left
    out; elsewhere this one is.

    Attributes:
        fusion: name of the component that knows how.
        members: the losses, those of the same learner together.
        frees: values that nobody reads any more.
    """

    fusion: str
    members: tuple[Loss, ...]
    frees: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[Read, ...]:
        """What its members read, in turn."""
        return tuple(read for each in self.members for read in each.reads)


@attrs.frozen
class Measure:
    """Compute a probe.

    Attributes:
        node: the probe's vertex; its value has that name.
        reads: its ports.
        frees: values that nobody reads any more.
    """

    node: str
    reads: tuple[Read, ...]
    frees: tuple[str, ...] = ()


@attrs.frozen
class Fit:
    """Hand a batch to a node that is fitted.

    Attributes:
        node: which node.
        reads: its inputs.
        frees: values that nobody reads any more.
    """

    node: str
    reads: tuple[Read, ...]
    frees: tuple[str, ...] = ()


@attrs.frozen
class Backward:
    """Add up weighted losses and send their gradient into parameters.

    Attributes:
        losses: vertices of the losses.
        into: nodes whose parameters change; empty: all that are reached.
    """

    losses: tuple[str, ...]
    into: tuple[str, ...] = ()


@attrs.frozen
class Step:
    """Update the parameters of these nodes.

    Attributes:
        nodes: vertices whose parameters change.
    """

    nodes: tuple[str, ...]


@attrs.frozen
class Update:
    """Move a node's averaged weights towards its weights.

    Attributes:
        node: which node.
        decay: what stays of the average, no unit, 0 to 1.
    """

    node: str
    decay: float


@attrs.frozen
class Advance:
    """Tell a node how far the phase has come: at its beginning, and after each step.

    Attributes:
        node: what is told.
    """

    node: str


@attrs.frozen
class Record:
    """Write the losses down.

    Attributes:
        every: number of steps between two records.
    """

    every: int


Instruction = (
    Convert
    | Forward
    | Wait
    | Cached
    | Loss
    | Fused
    | Measure
    | Fit
    | Backward
    | Step
    | Update
    | Advance
    | Record
)


@attrs.frozen
class PhasePlan:
    """One phase, ready to run.

    Attributes:
        name: the phase's name.
        graph: its graph after all passes.
        instructions: what one step does, in order.
        trained: nodes whose parameters change.
        recipe: the recipe of this phase.
        data: the data settings of this phase.
        phase: as the blueprint says it.
        views: how many augmentations of each sample its epochs replay; 0: each epoch draws anew.
    """

    name: str
    graph: Graph = attrs.field(eq=False, repr=False)
    instructions: tuple[Instruction, ...]
    trained: tuple[str, ...]
    recipe: Train
    data: Data
    phase: Phase
    views: int = 0


@attrs.frozen
class Schedule:
    """The compiled blueprint.

    Attributes:
        blueprint: what was compiled.
        graph: the whole graph, inferred.
        phases: what to run, in order.
        evaluation: what computes each model's logits and the probes.
        deliver: the nodes that are handed back.
        without: passes that were switched off.
        stages: the graph after each pass, by the pass's name; for a pass that runs on each phase
            by `name:phase`.
    """

    blueprint: Blueprint
    graph: Graph = attrs.field(eq=False, repr=False)
    phases: tuple[PhasePlan, ...]
    evaluation: PhasePlan
    deliver: tuple[str, ...]
    without: tuple[str, ...] = ()
    stages: Mapping[str, Graph] = attrs.field(factory=dict, eq=False, repr=False)


def loss_names(plan: PhasePlan) -> list[str]:
    """Name the losses of a phase as records do; the second flow of a name becomes `NAME#2`."""
    names = [each.name for each in plan.instructions if isinstance(each, Loss)]
    return [
        f"{name}#{names[:index].count(name) + 1}" if name in names[:index] else name
        for index, name in enumerate(names)
    ]


def forward_in(each: Instruction) -> Forward | None:
    """Return the forward that an instruction runs or stands in for."""
    if isinstance(each, Cached):
        return each.forward
    return each if isinstance(each, Forward) else None


def forwards_of(plan: PhasePlan) -> list[Forward]:
    """Return the forwards of a phase, those of what is cached too."""
    return [found for each in plan.instructions if (found := forward_in(each))]


def flows_of(plan: PhasePlan) -> list[Flow]:
    """Return the flows that are alive in a phase."""
    blueprint: Blueprint = plan.graph.graph["blueprint"]
    losses = [each for each in plan.instructions if isinstance(each, Loss)]
    numbers = [plan.graph.nodes[each.node]["vertex"].flow for each in losses]
    return [blueprint.flows[number] for number in numbers]
