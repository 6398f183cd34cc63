"""Make a prediction of the classes from a stage of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import attrs
from attrs.validators import and_, ge, le, optional

from graphkd.component import Port, Site, component
from graphkd.components.projectors.sizing import output_features
from graphkd.components.projectors.tokens_to_grid import TokensToGrid
from graphkd.errors import ComponentError

if TYPE_CHECKING:
    from torch import nn

HEADS = 4
# the side of the grid that patches are merged to, in pixels of the last stage at 224 x 224
SIDE = 7


@component("projector", "exit_branch")
@attrs.frozen
class ExitBranch:
    """Do what the network's later stages would do, then classify: an early exit for one stage.

    By convolutions: 4 - stage times halve the grid; at stage 4 one 1 x 1 convolution. Each halving
    doubles the channels, but the last gives `width`. Then logits = W mean over places + b.

    By transformer blocks: 2 x 2 patches are merged floor(log2(side / 7)) times, the first time to
    `width`; then max(4 - stage, 1) blocks of 4 heads; then logits = W t + b, where t is the mean of
    the class tokens, or of all tokens where there are none.

    Source: Hao, Guo, Han, Tang, Hu, Wang, Xu, "One-for-All: Bridge the Gap Between Heterogeneous
    Architectures in Knowledge Distillation", 2023, arXiv 2310.19444; layers and initial weights are
    those of the authors' code, which takes one class token at most.

    Attributes:
        stage: number of the stage that is read, 1 to 4.
        width: channels before the classifier, at least 1. Convolutions: the larger of the student's
            and the teacher's last feature. Transformer blocks: the student's last feature, a
            multiple of 4; empty: that of the tokens, which is right where all blocks are equal.
        blocks: `convolution` or `transformer`; empty: convolutions for a grid, else transformer
            blocks. Networks that keep tokens as a grid, like Swin, need `transformer`.
        prefix: number of class tokens before the others, 0 or more. The taps stage1 to stage4 have
            none.
        height: rows of the grid that tokens make, at least 1; empty: as many as columns.
        features: output size, at least 1; empty: the classes of the other side.
    """

    ports: ClassVar = (Port("input", "b c h w | b n d"),)

    stage: int = attrs.field(validator=and_(ge(1), le(4)))
    width: int | None = attrs.field(default=None, validator=optional(ge(1)))
    blocks: Literal["convolution", "transformer"] | None = None
    prefix: int = attrs.field(default=0, validator=ge(0))
    height: int | None = attrs.field(default=None, validator=optional(ge(1)))
    features: int | None = attrs.field(default=None, validator=optional(ge(1)))

    def build(self, site: Site) -> nn.Module:
        """Build the branch for one stage.

        Args:
            site: source "b c h w" or "b n d"; of the target only the channels are used.

        Returns:
            A module from the source to "b features", logits.

        Raises:
            ComponentError: a size is not known, or the parameters do not fit the source.
        """
        self._check_form(site)
        outputs = output_features("exit_branch", self.features, site)
        if self._by_convolutions(site):
            return self._convolutions(site, outputs)
        return self._transformer(site, outputs)

    def _by_convolutions(self, site: Site) -> bool:
        return (self.blocks or "convolution") == "convolution" and site.source.spatial is not None

    def _check_form(self, site: Site) -> None:
        """Refuse settings that go with tokens on a grid, and the other way round."""
        source = site.source
        if source.spatial is None:
            if self.blocks == "convolution":
                raise ComponentError(
                    f"blocks is convolution, but '{source}' is no grid; "
                    "drop blocks, or write tokens_to_grid before exit_branch",
                    field="blocks",
                )
            return
        for field, value in (("prefix", self.prefix), ("height", self.height)):
            if value:
                raise ComponentError(
                    f"{field} is {value}, but '{source}' is a grid already; drop {field}",
                    field=field,
                )

    def _convolutions(self, site: Site, outputs: int) -> nn.Module:
        from graphkd.components.projectors.exit_branch_convolution import convolution_branch

        if self.width is None:
            raise self._unknown_width(
                site, "the larger of the last features of student and teacher"
            )
        return convolution_branch(
            site.source.channels, stage=self.stage, width=self.width, outputs=outputs
        )

    def _transformer(self, site: Site, outputs: int) -> nn.Module:
        from torch import nn

        from graphkd.components.projectors.exit_branch_transformer import TransformerBranch

        source = site.source
        is_grid = source.spatial is not None
        if self.width is None and is_grid:
            raise self._unknown_width(site, "that of the student's last feature")
        width = self.width if self.width is not None else source.channels
        grid = nn.Identity() if is_grid else self._grid(site)
        count = self._mergings(site, grid)
        self._check_width(site, width, count=count)
        return TransformerBranch(
            source.channels,
            grid=grid,
            prefix=self.prefix,
            mergings=count,
            width=width,
            heads=HEADS,
            depth=max(4 - self.stage, 1),
            outputs=outputs,
        )

    def _grid(self, site: Site) -> nn.Module:
        """Lay the patches out; class tokens that nobody told of leave no square."""
        try:
            return TokensToGrid(self.height, self.prefix).build(site)
        except ComponentError as error:
            raise ComponentError(
                f"the patches of '{site.source}' make no grid: {error}", field=error.field
            ) from error

    def _unknown_width(self, site: Site, meaning: str) -> ComponentError:
        return ComponentError(
            f"exit_branch cannot tell its width from '{site.source}'; say width: N, {meaning}",
            field="width",
        )

    def _mergings(self, site: Site, grid: nn.Module) -> int:
        """Count the mergings; refuse a grid of which one would leave half a patch."""
        import torch

        rows, columns = grid(torch.empty(site.source.shape, device="meta")).shape[2:]
        count = max(0, (min(rows, columns) // SIDE).bit_length() - 1)
        part = 2**count
        if rows % part or columns % part:
            via = (
                f"{{type: resize, height: {rows // part * part}, width: {columns // part * part}}}"
            )
            steps = via if site.source.spatial is not None else f"tokens_to_grid and {via}"
            also = "" if self.blocks else " and blocks: transformer in it"
            raise ComponentError(
                f"{rows} x {columns} patches are not merged 2 x 2 "
                f"{'once' if count == 1 else f'{count} times'} without a rest; "
                f"write {steps} before exit_branch{also}"
            )
        return int(count)

    def _check_width(self, site: Site, width: int, *, count: int) -> None:
        channels = site.source.channels
        if width != channels and (count == 0 or self.prefix):
            reason = "nothing is merged on this grid" if count == 0 else "class tokens keep theirs"
            mix = "linear" if site.source.spatial is None else "conv1x1"
            raise ComponentError(
                f"width is {width}, but '{site.source}' has {channels} channels and {reason}; "
                f"write width: {channels}, or {mix} before exit_branch",
                field="width",
            )
        if width % HEADS:
            raise ComponentError(
                f"width is {width}, which {HEADS} heads cannot share; "
                f"try {-(-width // HEADS) * HEADS}",
                field="width",
            )
