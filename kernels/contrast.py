"""InfoNCE with a temperature that learns and the knowledge of all processes."""

from __future__ import annotations

import math

import torch
import torch.distributed as dist
from torch import Tensor, nn

from graphkd.kernels.contrast_gather import num_processes, rows_of_all, rows_of_each
from graphkd.kernels.infonce import infonce
from graphkd.kernels.infonce_reference import Anchor, ContrastProblem

# log 100 less a little, so that its exponential in float32 does not round to above 100
_MAX_LOG_SCALE = 4.60517


class Contrast(nn.Module):
    """`infonce` at a temperature tau = exp(-log_scale), 1 / tau at most 100.

    Attributes:
        log_scale: "1", log(1 / tau); one axis, because FSDP takes no parameter without one. None
            when the temperature is fixed.
    """

    def __init__(
        self,
        *,
        temperature: float,
        learnable: bool,
        symmetric: bool,
        gather: bool,
        anchor: Anchor = "student",
    ) -> None:
        """Set the temperature to start from.

        Args:
            temperature: tau, no unit, at least 0.01.
            learnable: tau is trained.
            symmetric: both directions, see `infonce`.
            gather: the rows of the other processes are looked at too. With anchor "student" their
                knowledge serves as bank; with anchor "knowledge" or `symmetric`, each process
                computes the loss of all rows, and the gradient is that of `rows_of_all`.
            anchor: who looks for its own, see `infonce`.
        """
        super().__init__()
        self.temperature = temperature
        self.symmetric = symmetric
        self.gather = gather
        self.anchor: Anchor = anchor
        self.log_scale = nn.Parameter(torch.tensor([-math.log(temperature)])) if learnable else None

    @property
    def scale(self) -> Tensor | float:
        """1 / tau, "1", no unit, at most 100."""
        if self.log_scale is None:
            return 1.0 / self.temperature
        # where the limit holds the gradient still passes: a clamped value could never come back
        value = self.log_scale.detach()
        return (value.clamp(max=_MAX_LOG_SCALE) + (self.log_scale - value)).exp()

    def no_weight_decay(self) -> set[str]:
        """Name the parameters that weight decay must leave alone."""
        return set() if self.log_scale is None else {"log_scale"}

    def forward(self, student: Tensor, teacher: Tensor, index: Tensor | None = None) -> Tensor:
        """Compare two sets of embeddings.

        Args:
            student: "b d", embeddings.
            teacher: "b d", embeddings; no gradient flows into it.
            index: "b", numbers of the samples, int64; the same sample twice is no negative.

        Returns:
            "", nats.
        """
        return infonce(**self.problem(student, teacher, index)._asdict())

    def problem(
        self, student: Tensor, teacher: Tensor, index: Tensor | None = None
    ) -> ContrastProblem:
        """Give what `forward` would compute as data, for `infonce_grouped`.

        Args:
            student: see `forward`.
            teacher: see `forward`.
            index: see `forward`.
        """
        teacher = teacher.detach()
        # autocast may have made one of them half precision
        dtype = torch.promote_types(student.dtype, teacher.dtype)
        if self._gathers(teacher) and (self.symmetric or self.anchor == "knowledge"):
            student, teacher = rows_of_all(student), torch.cat(rows_of_each(teacher))
            index = None if index is None else torch.cat(rows_of_each(index))
            bank = bank_index = None
        else:
            bank = self._elsewhere(teacher)
            bank_index = None if index is None else self._elsewhere(index)
        return ContrastProblem(
            student=student.to(dtype),
            knowledge=teacher.to(dtype),
            scale=self.scale,
            bank=None if bank is None else bank.to(dtype),
            symmetric=self.symmetric,
            index=index,
            bank_index=bank_index,
            anchor=self.anchor,
        )

    def _gathers(self, own: Tensor) -> bool:
        # on the meta device, where shapes are inferred, there is nothing to send
        return self.gather and not own.is_meta and num_processes() > 1

    def _elsewhere(self, own: Tensor) -> Tensor | None:
        """Fetch what the other processes hold, None where there are none."""
        if not self._gathers(own):
            return None
        parts = rows_of_each(own)
        del parts[dist.get_rank()]
        return torch.cat(parts)

    def extra_repr(self) -> str:
        """Show the settings in the module's text."""
        settings = f"temperature={self.temperature}, symmetric={self.symmetric}"
        return f"{settings}, gather={self.gather}, anchor={self.anchor}"
