"""Gap preserving distillation (GPD) by hand: two ResNets of one set of weights."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from functools import reduce
from typing import Any

import attrs
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from graphkd.bench.gpu_by_hand import Eager, frozen_copy, normalizer
from graphkd.run.session import Session

COPIES, SMOOTHING, WEIGHT = 2, 0.1, 3.0
ALPHA, BETA = 1.0, 0.5
Weights = Mapping[str, Tensor]


def by_dynamic_teacher(session: Session) -> Eager:
    """Write GPD for a ResNet whose 3x3 convolutions have six branches.

    The stored weights are plain tensors. From them the weights of a plain student and of a plain
    wide model are computed in each step, and both run on these.
    """
    teacher, normalize = frozen_copy(session, "teacher"), normalizer(session, "student")
    stored = _stored(session)
    ends = session.parts["student"].model.pretrained_cfg
    rules = {
        name: _rule(name, each, first=ends["first_conv"], last=ends["classifier"])
        for name, each in stored.items()
    }
    student, wide = _Shell.of(session, "student"), _Shell.of(session, "dynamic")

    def own() -> Weights:
        return student.merge({n: rules[n].own(each) for n, each in stored.items()})

    def twice() -> Weights:
        return wide.merge({n: rules[n].wide(each) for n, each in stored.items()})

    def loss(image: Tensor, label: Tensor) -> Tensor:
        image = normalize(image)
        with torch.no_grad():
            z_t = teacher(image).float()
        z_s = student(own(), image).float()
        z_d = wide(twice(), image).float()
        hard = F.cross_entropy(z_d, label) + F.cross_entropy(z_s, label)
        host = _dkd(z_d, z_t, label) + _dkd(z_s, z_t, label)
        target = (1 - SMOOTHING) * F.softmax(z_d.detach(), dim=-1) + SMOOTHING / z_d.shape[-1]
        return hard + host + WEIGHT * F.cross_entropy(z_s, target)

    @torch.no_grad()
    def state() -> Weights:
        nodes = {"student": {**own(), **student.buffers}, "dynamic": {**twice(), **wide.buffers}}
        return {f"{name}.{key}": t for name, each in nodes.items() for key, t in each.items()}

    return Eager(loss, stored.values(), state)


@attrs.frozen
class _Rule:
    """How student and wide model read a stored tensor.

    Attributes:
        axes: those that are twice the student's, which reads the first half.
        own_factor: what the student multiplies with.
        wide_factor: what the wide model multiplies with.
    """

    axes: tuple[int, ...] = ()
    own_factor: float = 1.0
    wide_factor: float = 1.0

    def own(self, stored: Tensor) -> Tensor:
        """Give the student's tensor."""
        for axis in self.axes:
            stored = stored.narrow(axis, 0, stored.shape[axis] // COPIES)
        return stored if self.own_factor == 1.0 else stored * self.own_factor

    def wide(self, stored: Tensor) -> Tensor:
        """Give the wide model's tensor."""
        return stored if self.wide_factor == 1.0 else stored * self.wide_factor


def _rule(name: str, stored: Tensor, *, first: str, last: str) -> _Rule:
    path, _, kind = name.rpartition(".")
    if path == first:
        return _Rule((0,), COPIES, COPIES)
    if path == last:
        return _Rule((1,), wide_factor=1 / COPIES) if kind == "weight" else _Rule()
    if kind == "scales":
        return _Rule((1,))
    if kind == "depth" or stored.ndim == 1:
        return _Rule((0,))
    return _Rule((0, 1), own_factor=COPIES)


def _stored(session: Session) -> dict[str, nn.Parameter]:
    """Copy the stored weights, under the names that a plain model with branches would give them."""
    return {
        name.replace("parametrizations.", "").removesuffix(".original"): nn.Parameter(
            each.detach().clone()
        )
        for name, each in session.parts["dynamic"].model.named_parameters()
    }


@attrs.frozen
class _Shell:
    """A plain network that gets its weights in each call and has none of its own.

    Attributes:
        network: on the meta device.
        buffers: its running statistics.
        constants: what the kernels are made with, `path.prior` and `path.identity`.
    """

    network: nn.Module
    buffers: dict[str, Tensor]
    constants: Weights

    @classmethod
    def of(cls, session: Session, name: str) -> _Shell:
        """Copy what a node delivers, weights left out."""
        part: Any = session.parts[name]
        plain: nn.Module = part.deliverable()
        buffers = {name: each.clone() for name, each in plain.named_buffers()}
        constants = {n: each for n, each in part.model.named_buffers() if n not in buffers}
        return cls(plain.to("meta").train(), buffers, constants)

    def __call__(self, weights: Weights, image: Tensor) -> Tensor:
        """Run the network, which moves the running statistics."""
        logits: Tensor = functional_call(self.network, {**weights, **self.buffers}, (image,))
        return logits

    def merge(self, weights: Weights) -> dict[str, Tensor]:
        """Make one kernel of the branches of each convolution that has them."""
        branched = [name.removesuffix(".scales") for name in weights if name.endswith(".scales")]
        known = {**weights, **self.constants}
        kernels = {path: _kernel(known, path) for path in branched}
        plain = {n: each for n, each in weights.items() if n.rpartition(".")[0] not in kernels}
        return {**plain, **{f"{path}.weight": kernel for path, kernel in kernels.items()}}


def _kernel(known: Weights, path: str) -> Tensor:
    """Add up the branches, each scaled for every output channel."""
    names = ("weight", "average", "frequency", "after", "delta", "second", "point", "depth")
    weight, average, frequency, after, delta, second, point, depth = (
        known[f"{path}.{name}"] for name in names
    )
    out, into = weight.shape[:2]
    third = torch.einsum("othw,ti->oihw", after, known[f"{path}.identity"] + delta)
    point, depth = point.view(out, into, -1), depth.view(into, -1, 3, 3)
    fifth = torch.einsum("oie,iehw->oihw", point, depth)
    waves = frequency * known[f"{path}.prior"]
    scales = known[f"{path}.scales"][:, :, None, None, None]
    branches = (weight, average / 9, waves, third, second, fifth)
    kernel: Tensor = reduce(
        operator.add, (s * each for s, each in zip(scales, branches, strict=True))
    )
    return kernel


def _dkd(student: Tensor, teacher: Tensor, label: Tensor) -> Tensor:
    """Compare label and rest, and the rest among itself, at temperature 1."""
    own = F.one_hot(label, student.shape[-1]).bool()
    target = _divergence(_label_and_rest(student, label, own), _label_and_rest(teacher, label, own))
    others = _divergence(_others(student, own), _others(teacher, own))
    return ALPHA * target + BETA * others


def _divergence(log_student: Tensor, log_teacher: Tensor) -> Tensor:
    return F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)


def _label_and_rest(logits: Tensor, label: Tensor, own: Tensor) -> Tensor:
    log_p = F.log_softmax(logits, dim=-1)
    rest = log_p.masked_fill(own, float("-inf")).logsumexp(dim=-1, keepdim=True)
    return torch.cat((log_p.gather(-1, label[:, None]), rest), dim=-1)


def _others(logits: Tensor, own: Tensor) -> Tensor:
    # not -inf, of which the divergence would make a nan
    return F.log_softmax(logits.masked_fill(own, -1e4), dim=-1)
