"""Change the height and width of a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import attrs
from attrs.validators import ge, optional

from graphkd.component import Port, Site, component
from graphkd.errors import ComponentError

if TYPE_CHECKING:
    from torch import nn


@component("projector", "resize")
@attrs.frozen
class Resize:
    """Interpolate each channel of a grid to another height and width.

    Pixels are squares: the outer edges of input and output coincide, not the centres of the corner
    pixels. `bilinear` reads the four nearest pixels however much the grid shrinks; `area` takes the
    mean over all that an output pixel covers. On CUDA the gradient of `area` is not bitwise
    reproducible. At the same size nothing changes.

    Attributes:
        height: output height in pixels, at least 1; empty: the other side's.
        width: output width in pixels, at least 1; empty: the other side's.
        mode: how values between pixels are found, `bilinear`, `nearest` or `area`.
    """

    ports: ClassVar = (Port("input", "b c h w"),)

    height: int | None = attrs.field(default=None, validator=optional(ge(1)))
    width: int | None = attrs.field(default=None, validator=optional(ge(1)))
    mode: Literal["bilinear", "nearest", "area"] = "bilinear"

    def build(self, site: Site) -> nn.Module:
        """Build the interpolation for one place.

        Args:
            site: source "b c h w"; of the target only height and width are used.

        Returns:
            A module from "b c h w" to "b c height width".

        Raises:
            ComponentError: the output size is not known.
        """
        from torch import nn

        return nn.Upsample(size=self._size(site), mode=self.mode)

    def _size(self, site: Site) -> tuple[int, int]:
        target = site.target
        offered = target.spatial if target is not None else None
        height, width = offered or (None, None)
        height, width = self.height or height, self.width or width
        if height is not None and width is not None:
            return height, width
        reason = (
            "nothing is known of the other side"
            if target is None
            else f"the other side, '{target}', is no grid"
        )
        unknown = [name for name, size in (("height", height), ("width", width)) if size is None]
        raise ComponentError(
            f"resize cannot tell its output size: {reason}; "
            f"say {' and '.join(f'{name}: N' for name in unknown)}",
            field=unknown[0],
        )
