"""All InfoNCE losses in one grouped launch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from graphkd.component import Launch, Member, Socket, component

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from graphkd.kernels import Contrast


@component("fusion", "infonce")
@attrs.frozen
class InfoNCEFusion:
    """The weighted sum of InfoNCE losses of any sizes.

    A loss takes part with `fusion = "infonce"` and a `build` that makes a `Contrast`.
    """

    def refusal(self, loss: Any, inputs: Mapping[str, Socket]) -> str:
        """Refuse none: what has no kernel is computed beside the launch."""
        return ""

    def build(self, members: Sequence[Member], device: torch.device) -> Launch | None:
        """Take the modules together.

        Args:
            members: the losses.
            device: where the embeddings are.

        Returns:
            What computes all of them; None where no kernel runs.
        """
        import torch

        from graphkd.kernels.launch import takes_kernel

        if not takes_kernel(torch.empty(0, device=device)):
            return None
        return _ContrastLaunch([each.part for each in members])


class _ContrastLaunch:
    """Computes the losses of some modules."""

    def __init__(self, modules: Sequence[Contrast]) -> None:
        self._modules = modules

    def __call__(
        self, arguments: Sequence[Sequence[Tensor]], weights: Tensor, scale: Tensor
    ) -> tuple[Sequence[Tensor], Tensor]:
        """Compute the losses and their weighted sum."""
        from graphkd.kernels.infonce import infonce_grouped

        problems = [
            module.problem(*values) for module, values in zip(self._modules, arguments, strict=True)
        ]
        # gradients stay float32 until the scale comes with the backward
        total, values = infonce_grouped(problems, weights=weights)
        return values.unbind(), total
