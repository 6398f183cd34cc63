"""What the sized projectors ask of their site."""

from __future__ import annotations

from graphkd.component import Site
from graphkd.errors import ComponentError


def output_features(name: str, features: int | None, site: Site) -> int:
    """Choose the output size: the parameter, else what the other side of the loss has.

    Args:
        name: the projector, as messages call it.
        features: its parameter, at least 1; None when the blueprint says nothing.
        site: where it is built.

    Returns:
        The number of output features, at least 1.

    Raises:
        ComponentError: the parameter is None, and the other side is unknown or has no channels.
    """
    if features is not None:
        return features
    target = site.target
    # an only axis is the batch, whose size is a stand-in
    if target is not None and len(target.shape) > 1:
        return target.channels
    reason = (
        "nothing is known of the other side"
        if target is None
        else f"the other side, '{target}', has no channels"
    )
    raise ComponentError(
        f"{name} cannot tell its output size: {reason}; say features: N", field="features"
    )


def last_axis(name: str, site: Site) -> int:
    """Return the size of the source's last axis, where that is its channels.

    Args:
        name: the projector, as messages call it.
        site: where it is built.

    Returns:
        The number of input features.

    Raises:
        ComponentError: the source is a grid, whose last axis is its width.
    """
    source = site.source
    if source.layout == "b c h w":
        raise ComponentError(
            f"{name} changes the last axis, which is the width of '{source}'; "
            "write conv1x1 instead, or pool or grid_to_tokens before it"
        )
    return source.shape[-1]
