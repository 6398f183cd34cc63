"""Make a student's weights slices of those of a wider model."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import attrs
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from graphkd.components.models.tap_network import TapNetwork
from graphkd.components.models.wide.branched_conv import BranchedConv2d, branchable
from graphkd.components.models.wide.check import check_equal
from graphkd.components.models.wide.copies import Copies
from graphkd.components.models.wide.ends import find_ends
from graphkd.components.models.wide.layers import Widths, cannot_widen, widths
from graphkd.components.models.wide.lockstep import Follow
from graphkd.components.models.wide.model import Plan, empty_parameters, plan, widen_modules
from graphkd.components.models.wide.recording import Record, shadow
from graphkd.components.models.wide.respread import Respread
from graphkd.components.models.wide.shared_tensor import Part, Whole, share_layer
from graphkd.errors import ComponentError


@attrs.frozen
class Widening:
    """What a wider model is to be.

    Attributes:
        copies: r, how often each channel is repeated.
        branches: M, of each 3x3 convolution.
        exact: whether branches leave the student what it was.
        noise: standard deviation of what is added to each repeated tensor.
        first: layers whose input stays as it is; empty: found.
        last: layers whose output stays as it is; empty: found.
    """

    copies: int
    branches: int = 1
    exact: bool = False
    noise: float = 0.0
    first: Sequence[str] = ()
    last: Sequence[str] = ()


def widen(student: TapNetwork, widening: Widening, *, compare: bool) -> TapNetwork:
    """Build the wider model and let the student read slices of its weights.

    Args:
        student: its parameters, and with branches its 3x3 convolutions, are replaced.
        widening: what to build.
        compare: run both once at the end; False where there are no values.

    Returns:
        The same taps around the wider model; the two share every parameter.

    Raises:
        ComponentError: the student has a layer that cannot be widened, or is a slice already.
    """
    model = student.model
    _check_own_weights(model)
    layers = _prove(student, widening)
    if widening.branches > 1:
        add_branches(model, branches=widening.branches, exact=widening.exact)
    wide = _shared(model, layers, widening)
    if compare:
        check_equal(
            model,
            wide,
            student.image,
            layers=layers,
            copies=widening.copies,
            noise=widening.noise,
        )
    # no library makes the wider model
    passport = {**student.passport(), "library": "widened", "expand": widening.copies}
    network = student.around(wide, passport=passport)
    network.begin_with(Respread(student, copies=widening.copies, noise=widening.noise))
    return network


def _shared(model: nn.Module, layers: Mapping[str, Widths], widening: Widening) -> nn.Module:
    """Make the wider model, and let both read the same stored parameters."""
    planned = plan(model, layers)
    # its parameters are about to be replaced: no need to copy them
    wide = copy.deepcopy(model, {id(each): each for each in model.parameters()})
    widen_modules(wide, layers, copies=widening.copies)
    known: dict[nn.Parameter, nn.Parameter] = {}
    for path, spreads in planned.items():
        share_layer(
            model.get_submodule(path),
            wide.get_submodule(path),
            spreads,
            copies=widening.copies,
            noise=widening.noise,
            known=known,
        )
    return wide


def add_branches(model: nn.Module, *, branches: int, exact: bool) -> None:
    """Replace each 3x3 convolution that allows it by one with several branches."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if branchable(child):
                assert isinstance(child, nn.Conv2d)
                setattr(parent, name, BranchedConv2d(child, branches=branches, exact=exact))


def _check_own_weights(model: nn.Module) -> None:
    """Refuse a student whose tensors are computed from others."""
    for path, module in model.named_modules():
        if isinstance(module, (Part, Whole)):
            text = "the weights of the student are shared with another model already; "
            raise ComponentError(
                f"{text}give each dynamic teacher a student of its own", field="of"
            )
        if parametrize.is_parametrized(module):
            lists = module.parametrizations
            assert isinstance(lists, nn.ModuleDict)
            kinds = {type(each) for each in lists.modules()}
            if kinds.isdisjoint((Part, Whole)):
                raise cannot_widen(path, module, "its tensors are parametrized")


def _prove(student: TapNetwork, widening: Widening) -> Mapping[str, Widths]:
    """Find out which layers are widened, and prove on the meta device that copies result."""
    plain = shadow(student.model)
    size = student.image
    shape = (2, size.channels, size.height, size.width)
    dtypes = {each.dtype for each in plain.parameters()}
    image = torch.empty(shape, device="meta", dtype=dtypes.pop() if len(dtypes) == 1 else None)
    record = Record(plain, image)
    ends = find_ends(plain, record.order, first=widening.first, last=widening.last)
    layers = widths(plain, first=ends.first, last=ends.last)
    planned = plan(plain, layers)
    wide = copy.deepcopy(plain)
    widen_modules(wide, layers, copies=widening.copies)
    empty_parameters(wide, planned, copies=widening.copies)
    known = _known(plain, wide, planned)
    Follow(record, known, copies=widening.copies).check(wide, image)
    return layers


def _known(plain: nn.Module, wide: nn.Module, planned: Plan) -> dict[Tensor, Copies]:
    """Say how the copies lie in the parameters and buffers of the wider model."""
    known: dict[Tensor, Copies] = {}
    for path, spreads in planned.items():
        for name, spread in spreads.items():
            divided = spread.role in ("inner", "last")
            known[wide.get_submodule(path).get_parameter(name)] = Copies(dict(spread.axes), divided)
    for (path, buffer), own in zip(wide.named_buffers(), plain.buffers(), strict=True):
        if buffer.shape != own.shape:
            norm = planned[path.rpartition(".")[0]]
            known[buffer] = Copies(dict(next(iter(norm.values())).axes))
    return known
