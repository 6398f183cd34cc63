"""The network of a tailored coordinate system: alignment, axes, mask and classifier."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphkd.component import ImageSpec
from graphkd.component.lent import Lent
from graphkd.components.models.tailored_mask import CoordinateMask
from graphkd.components.transforms.principal_axes import PrincipalAxes

if TYPE_CHECKING:
    from graphkd.components.models.tailored import Tailored

TAPS = {"logits": "b c", "aligned": "b d", "coordinates": "b d"}


class TailoredNetwork(nn.Module):
    """Behind the `Network` protocol: reads an embedding, and gives logits by way of axes.

    Args:
        student: the network whose embedding is read; lent.
        axes: the directions; lent.
        width: of the embedding.
        classes: number of classes.
        settings: the component.

    Attributes:
        image: that of the student.
        matrix: "D s", A; None where the student is in the space of the axes.
        shift: "D", a.
        mask: m and u, "k", with the scores.
        classifier: W and c.
    """

    def __init__(
        self,
        student: Any,
        axes: PrincipalAxes,
        *,
        width: int,
        classes: int,
        settings: Tailored,
    ) -> None:
        super().__init__()
        self.image: ImageSpec = student.image
        self._student = Lent(student)
        self._axes = Lent(axes)
        self.matrix: nn.Parameter | None = None
        if settings.align != "identity":
            matrix = nn.init.orthogonal_(torch.empty(len(axes.mean), width))
            self.matrix = nn.Parameter(matrix, requires_grad=settings.align == "learnt")
        self.shift = nn.Parameter(torch.zeros(len(axes.mean)))
        self.mask = CoordinateMask(len(axes.kept), settings)
        self.classifier = nn.Linear(len(axes.kept), classes)

    def forward(self, embedding: Tensor, taps: Sequence[str] | None = None) -> Any:
        """Compute the logits, or some taps.

        Args:
            embedding: "b s", the student's.
            taps: which; None for the logits alone, without a tuple around them.
        """
        axes = self._axes.module
        wanted = ("logits",) if taps is None else tuple(taps)
        matrix, shift = self.alignment()
        difference = embedding + shift if matrix is None else F.linear(embedding, matrix, shift)
        found = {}
        if "aligned" in wanted:
            found["aligned"] = axes.mean + difference
        if set(wanted) - {"aligned"}:
            found["coordinates"] = axes.rotate(difference)
        if "logits" in wanted:
            found["logits"] = self.classifier(self.mask(found["coordinates"]))
        return found["logits"] if taps is None else tuple(found[tap] for tap in wanted)

    def alignment(self) -> tuple[Tensor | None, Tensor]:
        """Give the matrix "D s", None for the identity, and the shift "D", from s to s' - mu."""
        axes = self._axes.module
        if self.matrix is None:
            return None, self.shift - axes.mean
        factor = axes.scale / min(self.matrix.shape) ** 0.5
        return self.matrix * factor, self.shift * factor

    @torch.no_grad()
    def folded(self) -> tuple[Tensor, Tensor]:
        """Give the weight "c s" and the bias "c" of the one layer that all of this is."""
        axes = self._axes.module
        factors = self.mask.factors().double() * axes.gain
        inner = (self.classifier.weight * factors) @ axes.basis.double().T
        matrix, shift = self.alignment()
        bias = inner @ shift.double() + self.classifier.bias
        return inner if matrix is None else inner @ matrix.double(), bias

    def advance(self, step: int, steps: int) -> None:
        """Drop coordinates where a round is due.

        Args:
            step: optimizer steps of the phase that are done, from 1.
            steps: those of the whole phase.
        """
        self.mask.advance(step, steps, kept=self._axes.module.kept)

    def active(self) -> Tensor:
        """Say which coordinates are left, "k", bool."""
        return self.mask.mask & self._axes.module.kept

    def taps(self) -> tuple[str, ...]:
        """Name the taps."""
        return tuple(TAPS)

    def layout(self, tap: str) -> str | None:
        """Say the axis words of a tap."""
        return TAPS.get(tap)

    def reader(self, taps: Sequence[str], *, stop: bool = False) -> TailoredReader:
        """Make the function that computes these taps from the student's embedding.

        Args:
            taps: names, in the order of the answer.
            stop: nothing behind the taps is computed in any case.
        """
        return TailoredReader(self, taps)

    def passport(self) -> dict[str, Any]:
        """Say what the student's library needs to make it again."""
        passport: dict[str, Any] = self._student.module.passport()
        return passport

    @torch.no_grad()
    def deliverable(self) -> nn.Module:
        """Give a copy of the student as its library made it, whose classifier does all of this."""
        student: Any = self._student.module
        model: nn.Module = copy.deepcopy(student.deliverable())
        layer = model.get_submodule(student.classifier())
        assert isinstance(layer, nn.Linear)
        weight, bias = self.folded()
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
        return model


class TailoredReader:
    """Calls a tailored network for chosen taps; it is no module and holds no parameters."""

    def __init__(self, network: TailoredNetwork, taps: Sequence[str]) -> None:
        self.network = network
        self.wanted = tuple(taps)

    def __call__(self, embedding: Tensor) -> tuple[Tensor, ...]:
        """Compute the taps, in the order they were asked for."""
        values: tuple[Tensor, ...] = self.network(embedding, self.wanted)
        return values
