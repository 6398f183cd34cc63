"""All that the values in a store depend on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

import attrs
import torch
from torch import nn

from graphkd.blueprint.save import to_plain
from graphkd.compile.instructions import Cached
from graphkd.compile.plan import PhasePlan
from graphkd.component import Samples, name_of
from graphkd.graph import inputs_of, owner_of, vertex
from graphkd.run.cache.layout import Layout
from graphkd.run.cache.manifest import Content
from graphkd.run.opened import Opened
from graphkd.run.session import Session
from graphkd.run.unreadable import peek

_FORMAT = 1
"""Number of the way in which values and files are made; another one finds no old store."""
_LOOKED_AT = 32
"""Images of a data set that are hashed, evenly spaced."""


def layout_of(plan: PhasePlan, each: Cached) -> Layout:
    """Say what a row holds."""
    sockets = vertex(plan.graph, each.node).taps
    taps = {tap: socket for tap in each.forward.taps if (socket := sockets[tap]) is not None}
    return Layout(each.settings, taps)


def content_of(
    plan: PhasePlan, each: Cached, *, session: Session, opened: Opened, seed: int
) -> Content:
    """Gather what a node's values depend on.

    Args:
        plan: the phase.
        each: whose values.
        session: with the weights of now.
        opened: the data.
        seed: of the augmentation.
    """
    layout = layout_of(plan, each)
    recipe, placement = plan.recipe, each.forward.placement
    return {
        "format": _FORMAT,
        "model": _model(plan, each),
        "weights": _weights(session.parts[each.forward.module]),
        "columns": [_column(column) for column in layout.columns],
        "layouts": {tap: socket.layout for tap, socket in layout.taps.items()},
        "input": _input(plan, each),
        "data": _data(opened),
        "augmentation": _augmentation(plan, each, seed),
        "computing": {
            "device": placement.device.partition(":")[0] or session.device.type,
            "precision": placement.precision or recipe.precision,
            "compile": recipe.compile or placement.compiled,
            "channels_last": recipe.channels_last,
        },
        "versions": {
            "torch": torch.__version__,
            **{name: version(name) for name in ("timm", "torchvision")},
        },
    }


def _model(plan: PhasePlan, each: Cached) -> Content:
    """Describe the component; where its weights come from says nothing that they do not."""
    component = vertex(plan.graph, owner_of(plan.graph, each.node)).component
    parameters: Mapping[str, Any] = to_plain(component)
    plain = {key: value for key, value in parameters.items() if key != "weights"}
    return {"type": name_of(component), **plain}


def _column(column: Any) -> Content:
    return {**attrs.asdict(column), "shape": list(column.shape)}


def _input(plan: PhasePlan, each: Cached) -> list[Any]:
    """Say which images the node reads, and what they are brought to."""
    found: list[Any] = []
    for source, edge in inputs_of(plan.graph, each.node):
        conversion = vertex(plan.graph, source)
        if conversion.kind == "convert":
            ((_, edge),) = inputs_of(plan.graph, source)
            found.append([edge.tap, attrs.asdict(conversion.component.image)])
        else:
            found.append([edge.tap, None])
    return found


def _data(opened: Opened) -> Content:
    dataset = opened.blueprint.data.dataset
    samples = opened.parts.train.samples
    return {
        "dataset": name_of(dataset),
        "parameters": to_plain(dataset),
        "samples": len(samples),
        "images": _images(samples, skipping=opened.blueprint.data.unreadable == "skip"),
        "labels": "" if samples.labels is None else _hashed([samples.labels]),
    }


def _images(samples: Samples, *, skipping: bool) -> str:
    count = len(samples)
    places = sorted({number * count // _LOOKED_AT for number in range(_LOOKED_AT)})
    return _hashed(peek(samples, places, skipping=skipping))


def _augmentation(plan: PhasePlan, each: Cached, seed: int) -> Content | None:
    """Describe how images are augmented; without that the seed plays no role."""
    if not plan.data.augment:
        return None
    return {
        "steps": to_plain(plan.data.augment),
        "probability": plan.data.augment_probability,
        "seed": seed,
        "views": each.views,
    }


def _weights(module: nn.Module) -> str:
    state = module.state_dict()
    return _hashed(state.values(), text="\n".join([repr(module), *state]))


def _hashed(values: Iterable[Any], *, text: str = "") -> str:
    digest = hashlib.blake2b(text.encode(), digest_size=16)
    for value in values:
        flat = value.detach().cpu().contiguous().view(-1)
        digest.update(flat.view(torch.uint8).numpy())
    return digest.hexdigest()
