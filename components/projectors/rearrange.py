"""Change the order and grouping of axes by a pattern."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

import attrs
from attrs.validators import deep_mapping, ge, instance_of

from graphkd.component import Port, Site, component
from graphkd.errors import ComponentError

if TYPE_CHECKING:
    from torch import nn


@component("projector", "rearrange")
@attrs.frozen
class Rearrange:
    """Put the axes into another order and grouping, like `b c h w -> b (h w) c`.

    Nothing is computed: every value of the input stands once in the output. The pattern is only
    ever split into axis names, so a blueprint from a stranger is safe to load.

    Source: Rogozhnikov, "Einops: Clear and Reliable Tensor Manipulations with Einstein-like
    Notation", ICLR 2022.

    Attributes:
        pattern: axis names before and after `->`; brackets group axes, `...` takes any axes.
        sizes: size of each axis that a group on the left leaves open, at least 1.
    """

    ports: ClassVar = (Port("input", "b ..."),)

    pattern: str
    # a dict has no hash; the pattern's is enough to find equal components
    sizes: dict[str, int] = attrs.field(
        factory=dict,
        hash=False,
        validator=deep_mapping(key_validator=instance_of(str), value_validator=ge(1)),
    )

    def build(self, site: Site) -> nn.Module:
        """Build the layer, after trying it on the sizes of this place.

        Args:
            site: source of any axes; the target is not used.

        Returns:
            A module from the axes left of `->` to those on the right.

        Raises:
            ComponentError: the pattern is malformed, or does not fit the source.
        """
        import torch
        from einops import EinopsError, rearrange
        from einops.layers import torch as layers

        sample = torch.empty(site.source.shape, device="meta")
        try:
            # the function explains a wrong number of axes, the layer does not
            rearrange(sample, self.pattern, **self.sizes)
            return layers.Rearrange(self.pattern, **self.sizes)
        except (EinopsError, ValueError, TypeError) as error:
            reason = _reason(error) if "->" in self.pattern else "no '->'"
            raise ComponentError(
                f"pattern '{self.pattern}' does not fit '{site.source}': {reason}; "
                "write all axes before and after '->', like 'b c h w -> b (h w) c'",
                field="pattern",
            ) from error


def _reason(error: Exception) -> str:
    # the lines before the last repeat the pattern and the shape
    last = str(error).splitlines()[-1].strip().removesuffix(".")
    # axes stand in a set, whose order changes from run to run
    return re.sub(r"{(.*)}", lambda axes: ", ".join(sorted(axes[1].split(", "))), last)
