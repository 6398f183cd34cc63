"""The layers that lead from an early stage of one network to a late stage of another."""

from __future__ import annotations

import math

from einops import rearrange
from timm.models.swin_transformer import SwinTransformerBlock
from torch import Tensor, nn

from graphkd.component import Socket

# width of a head where the late stage has none to copy
_HEAD_WIDTH = 64


class LocalToGlobal(nn.Module):
    """L2G: patch embedding, then one block that mixes places.

    x = LN(conv(X)), with kernel = stride = early side / late side. Where that is no whole number
    the grid is first averaged, or repeated, to the late side, and kernel = 1. Then, before stages
    of tokens or of attention, one Swin block without shift, of the host's heads:

        x <- x + WMSA(LN(x)); x <- x + MLP(LN(x))

    Before stages of convolutions it is x <- ReLU(BN(conv1x1(conv3x3(x)))) instead, with a 3 x 3 of
    one group a channel. The result has the layout that the late stage reads.

    Source: "TAS: Distilling Arbitrary Teacher and Student via a Hybrid Assistant", 2024, arXiv
    2410.12342; the layers in detail, and the block of convolutions, are ours.

    Args:
        early: what is read, "b c h w" or "b n d" without class tokens.
        late: what is made, "b c h w" or "b n d".
        heads: of the late stage, 0 where it has none: then one for each 64 channels.
        window: largest side of a window; a larger grid is cut into equal ones, as few as suffice,
            and padded with zeros at the end where they do not fill it, as in Swin.
        mlp_ratio: hidden width of the MLP over that of the tokens, above 0.
    """

    def __init__(
        self, early: Socket, late: Socket, *, heads: int, window: int, mlp_ratio: float
    ) -> None:
        super().__init__()
        self.early_grid, self.late_grid = _grid(early), _grid(late)
        self.is_tokens = late.spatial is None
        step = _step(self.early_grid, self.late_grid)
        self.pool = nn.Identity() if step else nn.AdaptiveAvgPool2d(self.late_grid)
        width = late.channels
        self.embed = nn.Conv2d(early.channels, width, kernel_size=step or 1, stride=step or 1)
        self.norm = nn.LayerNorm(width)
        self.by_convolutions = not self.is_tokens and not heads
        self.block: nn.Module = (
            _convolutions(width)
            if self.by_convolutions
            else SwinTransformerBlock(
                width,
                self.late_grid,
                num_heads=heads or _heads(width),
                window_size=_windows(self.late_grid, window),
                mlp_ratio=mlp_ratio,
            )
        )
        _initialize(self)

    def forward(self, early: Tensor) -> Tensor:
        """Make the late stage's input.

        Args:
            early: "b c h w" or "b n d", of the sizes that it was built for.

        Returns:
            "b c h w" or "b n d", as the late stage reads it.
        """
        height, width = self.early_grid
        if early.ndim == 3:
            early = rearrange(early, "b (h w) d -> b d h w", h=height, w=width)
        places = self.norm(rearrange(self.embed(self.pool(early)), "b c h w -> b h w c"))
        if self.by_convolutions:
            grid: Tensor = self.block(rearrange(places, "b h w c -> b c h w"))
            return grid
        mixed: Tensor = self.block(places)
        form = "b h w c -> b (h w) c" if self.is_tokens else "b h w c -> b c h w"
        return rearrange(mixed, form)


def has_grid(socket: Socket) -> bool:
    """Say whether a socket is a grid, or tokens that fill a square."""
    return socket.spatial is not None or (
        len(socket.shape) == 3 and math.isqrt(socket.shape[1]) ** 2 == socket.shape[1]
    )


def _grid(socket: Socket) -> tuple[int, int]:
    assert has_grid(socket), f"'{socket}' has no grid"
    if socket.spatial is not None:
        return socket.spatial
    side = math.isqrt(socket.shape[1])
    return side, side


def _step(early: tuple[int, int], late: tuple[int, int]) -> tuple[int, int] | None:
    """Say how many places become one, in each direction; None if that is no whole number."""
    if any(one % other for one, other in zip(early, late, strict=True)):
        return None
    return early[0] // late[0], early[1] // late[1]


def _windows(grid: tuple[int, int], largest: int) -> tuple[int, int]:
    """Cut a grid into equal windows, as few as suffice, and give their sides."""
    height, width = (-(-side // -(-side // largest)) for side in grid)
    return height, width


def _heads(width: int) -> int:
    """Give a head to each 64 channels, and one fewer until they share them equally."""
    return next(heads for heads in range(max(1, width // _HEAD_WIDTH), 0, -1) if not width % heads)


def _convolutions(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, kernel_size=3, padding=1, groups=width, bias=False),
        nn.Conv2d(width, width, kernel_size=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )


def _initialize(projector: nn.Module) -> None:
    """Make convolutions Kaiming normal, matrices normal of deviation 0.02, biases zero."""
    for module in projector.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
        if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
            nn.init.zeros_(module.bias)
