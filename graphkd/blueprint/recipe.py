"""How long and with which optimizer the nodes learn, and in which phases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs
from attrs.validators import ge, gt, le, lt, min_len

from graphkd.blueprint.parts import Data
from graphkd.blueprint.refs import as_names
from graphkd.errors import did_you_mean


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
        streams: on a GPU, run frozen forwards on a stream of their own, beside the learner's.
        capture: on a GPU, replay forwards and backwards of a step as one CUDA graph.
        channels_last: keep images and convolutions in channels-last order.
        sync_batchnorm: take the statistics of batch norm from the samples of all processes, on
            GPUs; otherwise each process has its own, and those of the first are kept.
        nonfinite: what a loss does that is NaN or infinite: stop the run, skip the step (at most 10
            in a row), or nothing. A GPU is asked when losses are recorded, for skip in each step.
        seed: seed of weights, order, augmentation and dropout.
        seeds: run once for each seed and compare.
        log_every: steps between two records of the losses.
        checkpoint_every: steps between two checkpoints; 0: after each validation.
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
    milestones: tuple[int, ...] = attrs.field(default=(), converter=tuple)
    clip_grad: float = attrs.field(default=0.0, validator=ge(0.0))
    accumulate: int = attrs.field(default=1, validator=ge(1))
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    device: str = "auto"
    compile: bool = False
    streams: bool = False
    capture: bool = False
    channels_last: bool = False
    sync_batchnorm: bool = False
    nonfinite: Literal["stop", "skip", "ignore"] = "stop"
    seed: int = attrs.field(default=0, validator=ge(0))
    seeds: tuple[int, ...] = attrs.field(default=(), converter=tuple)
    log_every: int = attrs.field(default=10, validator=ge(1))
    checkpoint_every: int = attrs.field(default=0, validator=ge(0))
    keep: int = attrs.field(default=2, validator=ge(1))


RUN_WIDE = (
    "device",
    "channels_last",
    "sync_batchnorm",
    "seed",
    "seeds",
    "log_every",
    "checkpoint_every",
    "keep",
)
"""Fields of the recipe that a phase cannot change."""

RECIPE_CHANGES = tuple(each.name for each in attrs.fields(Train) if each.name not in RUN_WIDE)
_DATA_WIDE = ("dataset", "validation", "unreadable")
DATA_CHANGES = tuple(each.name for each in attrs.fields(Data) if each.name not in _DATA_WIDE)
"""Fields that a phase can change, of the recipe and of the data settings."""


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
    train: tuple[str, ...] = attrs.field(default=(), converter=as_names)
    fit: tuple[str, ...] = attrs.field(default=(), converter=as_names)
    recipe: Mapping[str, Any] = attrs.field(factory=dict)
    data: Mapping[str, Any] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        """Refuse changes of what a phase cannot change, or to what it cannot be."""
        for changes, known in ((self.recipe, RECIPE_CHANGES), (self.data, DATA_CHANGES)):
            for name in changes:
                if name not in known:
                    raise ValueError(f"a phase cannot change '{name}'{did_you_mean(name, known)}")
        Train(**self.recipe)
        Data(None, **self.data)
