"""The part of a network from the beginning of a stage on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from graphkd.component import Socket
from graphkd.components.models.stages import STAGES
from graphkd.errors import ComponentError

if TYPE_CHECKING:
    from torch import Tensor

    from graphkd.components.models.tap_network import TapNetwork

# a tail of the whole model would be the model
BEGINNINGS = STAGES[1:]
# whose tails are known, by their files in timm
FAMILIES = (
    "resnet",
    "efficientnet",
    "convnext",
    "swin_transformer",
    "vision_transformer",
    "deit",
    "mlp_mixer",
)


class Tail(Protocol):
    """The very modules of a network that run from the beginning of a stage to its logits.

    It is no module and holds no parameters. Where a stage begins with a down-sampling alone, as in
    Swin and ConvNeXt, that is left out, and the tail reads what it would give. Networks of tokens
    read the patches; the tail puts the network's own class tokens before them, as they are before
    its first block.

    Attributes:
        stage: with which it begins, `stage2` to `stage4`.
        taps: what it can give, of the same meaning as the network's taps.
    """

    stage: str
    taps: tuple[str, ...]

    @property
    def socket(self) -> Socket:
        """What it reads when the network sees images of its own size; "b c h w" or "b n d"."""
        ...

    @property
    def heads(self) -> int:
        """Attention heads of the stage, 0 where it has none."""
        ...

    def reader(
        self, taps: Sequence[str], *, stop: bool = False, tracking: bool = False
    ) -> Callable[[Tensor], tuple[Tensor, ...]]:
        """Make the function that computes these taps from the stage's input.

        Args:
            taps: some of `taps`, in the order of the answer.
            stop: leave out what lies behind the deepest of them.
            tracking: whether running statistics in the tail follow what passes through it.
        """
        ...

    def separate(self) -> TapNetwork:
        """Copy what the tail runs, and nothing before it, into a trainable network of its own."""
        ...


def model_name(network: TapNetwork) -> str:
    """Give the name of a network's model as a blueprint writes it, `torchvision/resnet18`."""
    passport = network.passport()
    library, name = passport["library"], passport["model"]
    return str(name) if library == "registered" else f"{library}/{name}"


def cannot_run(network: TapNetwork, stage: str) -> ComponentError:
    """Make the error for a network that has no tails.

    Args:
        network: of any library.
        stage: with which the tail should have begun.
    """
    return ComponentError(
        f"{model_name(network)} cannot run from {stage} on; "
        f"timm's models of {', '.join(FAMILIES)} can"
    )
