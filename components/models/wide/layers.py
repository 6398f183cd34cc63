"""Which tensors of a model become wider, along which axes."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import attrs
from timm.layers import Attention, RmsNorm, RmsNorm2d, SimpleNorm, SimpleNorm2d
from timm.layers.grn import GlobalResponseNorm
from timm.models.swin_transformer import PatchMerging, WindowAttention
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from graphkd.components.models.wide.branched_conv import BranchedConv2d
from graphkd.components.models.wide.shared_tensor import Spread
from graphkd.errors import ComponentError

NORMS = (
    *(_BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm),
    *(RmsNorm, RmsNorm2d, SimpleNorm, SimpleNorm2d, GlobalResponseNorm),
)
# parameters of composite modules, told by their usual names: embeddings "... d", and scales
_TOKENS = ("cls_token", "reg_token", "dist_token", "pos_embed", "class_token", "pos_embedding")
_SCALES = ("gamma", "gamma_1", "gamma_2", "gamma1", "gamma2", "ls1", "ls2", "layer_scale", "scale")
ADVICE = (
    "a dynamic teacher needs a student of convolutions, linear layers, norms and attention whose "
    "channels stay in order, as timm/resnet18, timm/mobilenetv2_100, timm/convnext_atto or "
    "timm/vit_tiny_patch16_224"
)


@attrs.frozen
class Widths:
    """How a layer is widened.

    Attributes:
        out: number of chunks on its output axis, each repeated for itself; 0: not widened.
        into: the same of its input axis. Norms and scales, whose axes are one, have this alone.
    """

    out: int = 1
    into: int = 1


def widths(
    model: nn.Module, *, first: Collection[str], last: Collection[str]
) -> Mapping[str, Widths]:
    """Say how the layers are widened that are not widened as a whole.

    Args:
        model: the plain model.
        first: paths of layers whose input is not widened.
        last: paths of layers whose output is not widened.

    Returns:
        By module path.
    """
    found: dict[str, Widths] = {}
    for path, module in model.named_modules():
        prefix = f"{path}." if path else ""
        if isinstance(module, (Attention, WindowAttention)):
            found[f"{prefix}qkv"] = Widths(out=3)
            # norms of a head's own width
            found[f"{prefix}q_norm"] = found[f"{prefix}k_norm"] = Widths(out=0, into=0)
        if isinstance(module, PatchMerging):
            found[f"{prefix}norm"] = found[f"{prefix}reduction"] = Widths(into=4)
    for path in first:
        found[path] = attrs.evolve(found.get(path, Widths()), into=0)
    for path in last:
        found[path] = attrs.evolve(found.get(path, Widths()), out=0)
    return found


def spreads(module: nn.Module, width: Widths, *, path: str) -> dict[str, Spread]:
    """Say how each of a module's own parameters is widened.

    Args:
        module: one module; its children are asked for themselves.
        width: how it is widened.
        path: for the message.

    Returns:
        By parameter name, in their order.

    Raises:
        ComponentError: a module with parameters that nobody knows how to widen.
    """
    names = [name for name, _ in module.named_parameters(recurse=False)]
    if not names:
        return {}
    match module:
        case nn.Conv2d():
            found = _conv(module, width, path=path)
        case BranchedConv2d():
            found = _branches(module, width)
        case nn.Linear():
            found = _dense(width)
        case nn.PReLU():
            found = {"weight": _channels(width.into) if module.num_parameters > 1 else Spread()}
        case nn.MultiheadAttention():
            # the rows of the fused weight are three chunks
            found = _dense(Widths(out=3), prefix="in_proj_")
        case _ if isinstance(module, NORMS):
            found = {name: _channels(width.into) for name in names}
        case _:
            named = {name: _by_name(module, name) for name in names}
            found = {name: spread for name, spread in named.items() if spread is not None}
    unknown = [name for name in names if name not in found]
    if unknown or (isinstance(module, nn.LayerNorm) and len(module.normalized_shape) > 1):
        what = f"parameter '{unknown[0]}'" if unknown else "norm over several axes"
        raise cannot_widen(path, module, f"no rule for its {what}")
    return {name: found[name] for name in names}


def cannot_widen(path: str, module: nn.Module, reason: str) -> ComponentError:
    """Make the error for a layer that no wider model can have.

    Args:
        path: of the layer.
        module: the layer.
        reason: what is in the way.
    """
    kind = type(module).__name__.removeprefix("Parametrized")
    where = f"layer '{path}' ({kind})" if path else f"the model ({kind})"
    return ComponentError(f"{where} cannot be widened: {reason}; {ADVICE}", field="of")


def _axes(*pairs: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    return tuple((axis, chunks) for axis, chunks in pairs if chunks)


def _channels(chunks: int, axis: int = 0) -> Spread:
    return Spread(_axes((axis, chunks)))


def _weight(width: Widths) -> Spread:
    axes = _axes((0, width.out), (1, width.into))
    if width.out and width.into:
        return Spread(axes, "inner")
    if width.out:
        return Spread(axes, "first")
    return Spread(axes, "last" if width.into else "same")


def _bias(width: Widths) -> Spread:
    return Spread(_axes((0, width.out)), "first" if width.out else "same")


def _dense(width: Widths, *, prefix: str = "") -> dict[str, Spread]:
    return {f"{prefix}weight": _weight(width), f"{prefix}bias": _bias(width)}


def _conv(module: nn.Conv2d, width: Widths, *, path: str) -> dict[str, Spread]:
    if module.groups == 1:
        return _dense(width)
    if not (width.out and width.into):
        raise cannot_widen(path, module, "a grouped convolution as first or last layer")
    return {"weight": _channels(1), "bias": _channels(1)}


def _branches(module: BranchedConv2d, width: Widths) -> dict[str, Spread]:
    names = ("weight", "average", "frequency", "delta", "after", "second", "depth", "point", "bias")
    if module.depthwise:
        return {**{name: _channels(1) for name in names}, "scales": _channels(1, axis=1)}
    return {
        **{name: _weight(width) for name in names},
        "delta": _weight(Widths(width.into, width.into)),
        "depth": _channels(width.into),
        "scales": _channels(width.out, axis=1),
        "bias": _bias(width),
    }


def _by_name(module: nn.Module, name: str) -> Spread | None:
    tensor = module.get_parameter(name)
    if name in _TOKENS:
        return Spread(((tensor.ndim - 1, 1),), "first")
    if name == "relative_position_bias_table" and isinstance(module, WindowAttention):
        return _channels(1, axis=1)
    long = [axis for axis, size in enumerate(tensor.shape) if size > 1]
    if name in _SCALES and len(long) == 1:
        return _channels(1, axis=long[0])
    return None
