"""Which layers of a student read the image, and which give the logits."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from torch import nn

from graphkd.errors import ComponentError, did_you_mean


@attrs.frozen
class Ends:
    """The layers that are widened on one side only.

    Attributes:
        first: paths of those whose input stays as it is.
        last: paths of those whose output stays as it is.
    """

    first: tuple[str, ...]
    last: tuple[str, ...]


def find_ends(
    model: nn.Module, order: Sequence[str], *, first: Sequence[str], last: Sequence[str]
) -> Ends:
    """Find the first and the last layers where the user names none.

    timm's models say it themselves; else it is the first convolution or linear layer that runs,
    and the last linear layer, or the last convolution where there is none.

    Args:
        model: the student's.
        order: paths of its modules in the order in which they ran.
        first: what the user names.
        last: the same.

    Raises:
        ComponentError: there is no such layer, or no layer at all.
    """
    layers = [path for path, module in model.named_modules() if _widens(module)]
    for field, names in (("first", first), ("last", last)):
        for name in names:
            if name not in layers:
                hint = did_you_mean(name, layers)
                text = f"the student has no convolution or linear layer '{name}'{hint}"
                raise ComponentError(text, field=field)
    ran = [path for path in order if path in set(layers)]
    linear = [path for path in ran if isinstance(model.get_submodule(path), nn.Linear)]
    if not ran:
        raise ComponentError("the student has no convolution or linear layer to widen", field="of")
    named = {key: _timm_names(model, key, layers) for key in ("first_conv", "classifier")}
    return Ends(
        first=tuple(first) or named["first_conv"] or (ran[0],),
        last=tuple(last) or named["classifier"] or ((linear or ran)[-1],),
    )


def _widens(module: nn.Module) -> bool:
    return isinstance(module, (nn.Conv2d, nn.Linear))


def _timm_names(model: nn.Module, key: str, layers: Sequence[str]) -> tuple[str, ...]:
    """Read what timm says about a model; nothing where the model is built otherwise."""
    config = getattr(model, "pretrained_cfg", None) or getattr(model, "default_cfg", None) or {}
    named = config.get(key) or ()
    names = (named,) if isinstance(named, str) else tuple(named)
    return names if all(name in layers for name in names) else ()
