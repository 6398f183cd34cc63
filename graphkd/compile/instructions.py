"""What a step does, instruction by instruction, as plain data."""

from __future__ import annotations

import attrs

from graphkd.blueprint.model import Cache, Ramp
from graphkd.component import ImageSpec
from graphkd.graph import Placement


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


def forward_in(each: Instruction) -> Forward | None:
    """Return the forward that an instruction runs or stands in for."""
    if isinstance(each, Cached):
        return each.forward
    return each if isinstance(each, Forward) else None
