"""Make of a copy of a model the wider one: its numbers of channels, heads and groups."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from timm.layers import Attention
from timm.models.swin_transformer import WindowAttention
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.models import VisionTransformer

from graphkd.components.models.wide.branched_conv import BranchedConv2d
from graphkd.components.models.wide.layers import Widths, spreads
from graphkd.components.models.wide.shared_tensor import Spread, tile, tile_shape

Plan = Mapping[str, Mapping[str, Spread]]


def plan(model: nn.Module, layers: Mapping[str, Widths]) -> Plan:
    """Say how each parameter of a model is widened.

    Args:
        model: plain, or with branches.
        layers: see `widths`.

    Returns:
        By module path and parameter name; modules without parameters of their own left out.

    Raises:
        ComponentError: a module with parameters that nobody knows how to widen.
    """
    found = {
        path: spreads(module, layers.get(path, Widths()), path=path)
        for path, module in model.named_modules()
    }
    return {path: each for path, each in found.items() if each}


def widen_modules(model: nn.Module, layers: Mapping[str, Widths], *, copies: int) -> None:
    """Change what modules know about their widths, and repeat their running statistics.

    The parameters stay as they are.

    Args:
        model: a copy of the student's model.
        layers: see `widths`.
        copies: r.
    """
    for path, module in model.named_modules():
        _widen(module, layers.get(path, Widths()), copies)


def empty_parameters(model: nn.Module, plan: Plan, *, copies: int) -> None:
    """Give a model on the meta device parameters of the wider shapes."""
    for path, each in plan.items():
        module = model.get_submodule(path)
        for name, spread in each.items():
            own = module.get_parameter(name)
            shape = tile_shape(own.shape, spread.axes, copies)
            empty = torch.empty(shape, device="meta", dtype=own.dtype)
            module.register_parameter(name, nn.Parameter(empty))


def _widen(module: nn.Module, width: Widths, copies: int) -> None:
    out, into = (copies if chunks else 1 for chunks in (width.out, width.into))
    match module:
        case nn.Conv2d() | BranchedConv2d():
            module.in_channels *= into
            module.out_channels *= out
            module.groups *= copies if module.groups > 1 else 1
            if isinstance(module, BranchedConv2d):
                _widen_branches(module, width, copies)
        case nn.Linear():
            module.in_features *= into
            module.out_features *= out
        case _BatchNorm():
            module.num_features *= into
            for name in ("running_mean", "running_var"):
                _tile_buffer(module, name, ((0, width.into),) if width.into else (), copies)
        case nn.LayerNorm() | nn.RMSNorm():
            module.normalized_shape = tuple(size * into for size in module.normalized_shape)
        case nn.GroupNorm():
            module.num_groups *= into
            module.num_channels *= into
        case nn.PReLU():
            module.num_parameters *= into if module.num_parameters > 1 else 1
        case _ if isinstance(getattr(module, "normalized_shape", None), (tuple, list)):
            module.normalized_shape = tuple(size * into for size in module.normalized_shape)  # type: ignore
        case _:
            _widen_composite(module, copies)


def _widen_composite(module: nn.Module, copies: int) -> None:
    match module:
        case Attention():
            module.num_heads *= copies
            module.attn_dim *= copies
        case WindowAttention():
            module.num_heads *= copies
            module.dim *= copies
        case nn.MultiheadAttention():
            module.embed_dim *= copies
            module.kdim = module.vdim = module.embed_dim
            module.num_heads *= copies
        case VisionTransformer():
            module.hidden_dim *= copies


def _widen_branches(module: BranchedConv2d, width: Widths, copies: int) -> None:
    if module.prior.numel():
        _tile_buffer(module, "prior", ((0, width.out),) if width.out else (), copies)
    if not module.identity.numel():
        return
    if module.depthwise:
        _tile_buffer(module, "identity", ((0, 1),), copies)
    elif width.into:
        _tile_buffer(module, "identity", ((0, width.into), (1, width.into)), copies)
        module.identity /= copies


def _tile_buffer(
    module: nn.Module, name: str, axes: tuple[tuple[int, int], ...], copies: int
) -> None:
    buffer = getattr(module, name)
    if buffer is not None:
        module._buffers[name] = tile(buffer, axes, copies).clone()
