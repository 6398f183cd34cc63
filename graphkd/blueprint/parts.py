"""What a blueprint is made of: data, nodes, flows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import attrs
from attrs.validators import ge, gt, le, lt, optional

from graphkd.blueprint.refs import Ref, as_names, as_ref, as_ref_map, as_refs
from graphkd.component import name_of

NODE_KINDS = ("model", "projector", "transform", "probe")


@attrs.frozen
class Augment:
    """One step of augmentation.

    Attributes:
        component: which augmentation, with its parameters.
    """

    component: Any = attrs.field(metadata={"kinds": ("augmentation",), "key": "type"})


def _as_augments(steps: Any) -> tuple[Augment, ...]:
    several = steps if isinstance(steps, Iterable) else [steps]
    return tuple(each if isinstance(each, Augment) else Augment(each) for each in several)


@attrs.frozen
class Extra:
    """A further data set: its training images join every training batch, without labels.

    Attributes:
        component: which data set, with its parameters.
        share: part of each batch that is from it, rounded down to whole images; empty: what the
            data sets with a share leave is divided among the others by their numbers of images.
    """

    component: Any = attrs.field(metadata={"kinds": ("dataset",), "key": "dataset"})
    share: float | None = attrs.field(default=None, validator=optional([gt(0.0), lt(1.0)]))


def _as_extras(sets: Any) -> tuple[Extra, ...]:
    several = sets if isinstance(sets, Iterable) else [sets]
    return tuple(each if isinstance(each, Extra) else Extra(each) for each in several)


@attrs.frozen
class Data:
    """What is learnt from.

    Attributes:
        dataset: which data set, with its parameters.
        batch_size: samples in a step of one process; several take so many each.
        workers: processes that load samples; 0 loads in the training process.
        validation: share of the training samples kept for choosing the best checkpoint, for data
            sets that have no validation split of their own.
        half: learn from this half of the training samples; the two have no sample in common, and
            are the same in all phases of a seed. Empty: both.
        subset: learn from so many of them, chosen at random, the same share of every class; a
            smaller subset is a part of a larger one. Empty: all.
        labels_per_class: how many training samples of a class keep their label; the others stay
            without. Empty: all.
        labelled_only: leave the samples without a label out.
        extra: data sets whose training images join every training batch, without labels.
        augment: steps applied to each training image, in this order.
        augment_probability: how often the steps are applied to an image, all or none of them.
        mixup: alpha of MixUp's Beta distribution, 0 for none.
        cutmix: alpha of CutMix's Beta distribution, 0 for none.
        mixup_share: part of each batch that MixUp and CutMix take, from its first image on, rounded
            up to whole images.
        unreadable: what an image does that cannot be read: stop the run, or be skipped; then the
            next image of its batch stands for it too, and an evaluation goes without it.
    """

    dataset: Any = attrs.field(metadata={"kinds": ("dataset",), "key": "dataset"})
    batch_size: int = attrs.field(default=128, validator=ge(1))
    workers: int = attrs.field(default=0, validator=ge(0))
    validation: float = attrs.field(default=0.1, validator=[gt(0.0), lt(1.0)])
    half: Literal["first", "second"] | None = None
    subset: int | None = attrs.field(default=None, validator=optional(ge(1)))
    labels_per_class: int | None = attrs.field(default=None, validator=optional(ge(1)))
    labelled_only: bool = False
    extra: tuple[Extra, ...] = attrs.field(default=(), converter=_as_extras)
    augment: tuple[Augment, ...] = attrs.field(default=(), converter=_as_augments)
    augment_probability: float = attrs.field(default=1.0, validator=[gt(0.0), le(1.0)])
    mixup: float = attrs.field(default=0.0, validator=ge(0.0))
    cutmix: float = attrs.field(default=0.0, validator=ge(0.0))
    mixup_share: float = attrs.field(default=1.0, validator=[ge(0.0), le(1.0)])
    unreadable: Literal["stop", "skip"] = "stop"


@attrs.frozen
class Cache:
    """How the outputs of a frozen node are kept: computed once, and read afterwards.

    Attributes:
        views: how many augmentations of each image training replays: those of epoch e are those of
            epoch e modulo this number, for the whole batch. Needed where images are augmented.
        dtype: element type that is kept; float32 keeps what the node computes.
        top: keep so many of each sample's largest logits, and the mass of the others, which is
            spread evenly over them when read. Empty: all. Other taps are kept whole.
    """

    views: int | None = attrs.field(default=None, validator=optional(ge(1)))
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    top: int | None = attrs.field(default=None, validator=optional(ge(1)))


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
        cache: compute its outputs once for each training image in phases where it is frozen, and
            read them afterwards; true, or how they are kept.
        precision: hold the weights of a model that never learns in this element type and compute
            with it; what others read is float32. Empty: as the recipe says.
        device: where a model that never learns is: cpu, cuda or cuda:N. What it reads is copied
            there, and what it makes back. Empty: where the run is.
        compile: run this model's forward alone through torch.compile.
        checkpoint: keep nothing of this model's forward while it learns, and compute it again in
            the backward: less memory, more time.
        shard: of several processes, let each hold a part of its weights; see docs/distributed.md.
    """

    component: Any = attrs.field(metadata={"kinds": NODE_KINDS, "key": "type"})
    input: tuple[Ref, ...] = attrs.field(default=(), converter=as_refs)
    extra: Mapping[str, Ref] = attrs.field(
        factory=dict, converter=as_ref_map, metadata={"key": "with"}
    )
    lr: float | None = attrs.field(default=None, validator=optional(gt(0.0)))
    weight_decay: float | None = attrs.field(default=None, validator=optional(ge(0.0)))
    ema: float = attrs.field(default=0.0, validator=[ge(0.0), lt(1.0)])
    seed: int | None = attrs.field(default=None, validator=optional(ge(0)))
    cache: bool | Cache = False
    precision: Literal["bfloat16"] | None = None
    device: str = ""
    compile: bool = False
    checkpoint: bool = False
    shard: bool = False

    @property
    def caching(self) -> Cache | None:
        """How its outputs are kept; None where they are not."""
        return Cache() if self.cache is True else self.cache or None


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


def _as_vias(steps: Any) -> tuple[Via, ...]:
    several = steps if isinstance(steps, Iterable) else [steps]
    return tuple(each if isinstance(each, Via) else Via(each) for each in several)


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

    source: Ref = attrs.field(converter=as_ref, metadata={"key": "from"})
    to: Ref = attrs.field(converter=as_ref)
    loss: Any = attrs.field(metadata={"kinds": ("loss",), "key": "loss"})
    via: tuple[Via, ...] = attrs.field(default=(), converter=_as_vias)
    weight: float | Ramp = 1.0
    every: int = attrs.field(default=1, validator=ge(1))
    phases: tuple[str, ...] = attrs.field(default=(), converter=as_names)
    into: tuple[str, ...] = attrs.field(default=(), converter=as_names)
    extra: Mapping[str, Ref] = attrs.field(
        factory=dict, converter=as_ref_map, metadata={"key": "with"}
    )
    name: str = ""


def flow_name(flow: Flow) -> str:
    """Name a flow as logs do: `teacher.logits->student.logits/kl`."""
    return flow.name or f"{flow.source}->{flow.to}/{name_of(flow.loss)}"
