"""What a fusion component offers: losses of one family, computed together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from graphkd.component.base import Socket

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@attrs.frozen
class Member:
    """A loss that is computed together with others.

    Attributes:
        part: what computes it alone: its component, or what that has built.
        reads: the name of the value at each port that is wired, in the order of the ports. Equal
            names are equal values, here and in the other members.
    """

    part: Any
    reads: Mapping[str, str]


class Launch(Protocol):
    """Computes the losses of all members, and what their weighted sum sends back."""

    def __call__(
        self, arguments: Sequence[Sequence[Tensor]], weights: Tensor, scale: Tensor
    ) -> tuple[Sequence[Tensor], Tensor]:
        """Compute the losses.

        Args:
            arguments: of each member the values that it reads.
            weights: "k", float32, the factor of each member.
            scale: "", float32, what the backward of the sum will be handed: with it, gradients of
                half precision need not be rounded twice.

        Returns:
            The plain value of each loss, "", detached; and the weighted sum, "", whose gradient is
            that of the losses.
        """
        ...


class Fusion(Protocol):
    """What graphkd calls on a fusion component.

    A loss class says by `fusion = "NAME"` which one computes it together with others.
    """

    def refusal(self, loss: Any, inputs: Mapping[str, Socket]) -> str:
        """Say why a loss is better computed alone; empty where it is not.

        Args:
            loss: its component.
            inputs: what each port that is wired reads.
        """
        ...

    def build(self, members: Sequence[Member], device: torch.device) -> Launch | None:
        """Make what computes some losses together.

        Args:
            members: those that share a learner stand together.
            device: where their values are.

        Returns:
            None where nothing is gained on that device: each loss is then computed by itself.
        """
        ...


def fusion_of(loss: Any) -> str:
    """Name the fusion that a loss component or class asks for; empty for none."""
    return str(getattr(loss, "fusion", ""))
