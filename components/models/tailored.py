"""A classifier that sees the learner in another network's coordinates, and drops the useless."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import attrs
from attrs.validators import ge, gt, le, optional

from graphkd.component import Port, Site, component
from graphkd.errors import ComponentError

if TYPE_CHECKING:
    from graphkd.components.models.tailored_network import TailoredNetwork
    from graphkd.components.transforms.principal_axes import PrincipalAxes


@component("model", "tailored")
@attrs.frozen
class Tailored:
    """A classifier over a student's embedding in fitted coordinates, of which the best are kept.

    With the student's embedding s and the axes' mean mu and directions V,
        s' = mu + kappa (A s + a), z = V^T (s' - mu), logits = W (m * u * z) + c.
    Taps are `aligned` (s'), `coordinates` (z) and `logits`. A is orthogonal at the start and
    kappa = sqrt(trace of the covariance / smaller width), so that s' starts at the scale of what
    the axes were fitted on where the entries of s have a mean square of 1. The mask m starts at 1.

    Every coordinate is scored by I_j = sum over the batches of |u_j dL/du_j|, L being the losses on
    the logits alone. After a warm-up, and at equal distances from then on, the coordinates of least
    score are masked and the scores start anew: after round k there are max(d - k n, keep) left,
    n = ceil((d - keep) / rounds). Among equals the ones of less variance go first.

    What is delivered is the student with another classifier: logits = W_f s + c_f, where
        W_f = W diag(m u) V^T kappa A, c_f = W diag(m u) V^T kappa a + c.

    A free A can undo any V, so the system needs a tie: a loss on `aligned`, or another `align`.

    Source: Zhou, Zhu, Wu, "All You Need in Knowledge Distillation Is a Tailored Coordinate System"
    (TCS), 2024, arXiv 2412.09388. Score, schedule and start of A are set here.

    Attributes:
        student: the tap that is read, `student.embedding`.
        axes: the coordinates node.
        keep: number of coordinates that are left in the end, at least 1; fewer than the classes
            less one cannot tell all classes apart. Empty: half of those that the axes have in use.
        rounds: how often coordinates are dropped, at least 1.
        warmup: share of the phase's steps before scoring begins, no unit, 0 to below 1.
        every: share of the phase's steps from one round to the next, no unit, above 0.
        trainable_mask: whether u is learnt; otherwise it stays 1.
        align: `learnt`: A is learnt; `orthogonal`: A stays as it starts; `identity`: s' = s + a,
            for a student in the space of the axes.
    """

    ports: ClassVar = (Port("student", "b d"),)
    learns: ClassVar[bool] = True
    delivered: ClassVar[bool] = True
    advances: ClassVar[bool] = True

    student: str = attrs.field(metadata={"reference": "tap"})
    axes: str = attrs.field(metadata={"reference": "node"})
    keep: int | None = attrs.field(default=None, validator=optional(ge(1)))
    rounds: int = attrs.field(default=8, validator=ge(1))
    warmup: float = attrs.field(default=0.1, validator=[ge(0.0), le(1.0)])
    every: float = attrs.field(default=0.05, validator=gt(0.0))
    trainable_mask: bool = True
    align: Literal["learnt", "orthogonal", "identity"] = "learnt"

    def __attrs_post_init__(self) -> None:
        """Refuse rounds that come after the end."""
        last = self.warmup + self.rounds * self.every
        # 0.1 + 18 * 0.05 is more than 1 by rounding
        if last > 1.0 + 1e-9:
            raise ComponentError(
                f"round {self.rounds} is due at {last:.3g} of the phase's steps, which is after "
                f"their end; write at most {(1.0 - self.warmup) / self.rounds:.3g}",
                field="every",
            )

    def build(self, site: Site) -> TailoredNetwork:
        """Build the classifier around what the other nodes lend.

        Args:
            site: student "b d"; its `modules` are the student's network and the axes.

        Returns:
            A `Network` whose input is the embedding, "b d".

        Raises:
            ComponentError: the axes are none, the student's classifier cannot take the place of
                this one, or with `identity` the widths differ.
        """
        import torch

        from graphkd.components.models.tailored_fold import require_foldable
        from graphkd.components.models.tailored_network import TailoredNetwork

        axes, width = self._axes(site), site.inputs["student"][0].channels
        if self.align == "identity" and width != len(axes.mean):
            raise ComponentError(
                f"align is identity, but '{self.student}' has width {width} and '{self.axes}' "
                f"{len(axes.mean)}; write learnt or orthogonal",
                field="align",
            )
        student: Any = site.modules["student"]
        # on the meta device there are no values to compare
        run = site.load_weights and torch.get_default_device().type != "meta"
        classes = require_foldable(student, self.student, width, run=run)
        return TailoredNetwork(student, axes, width=width, classes=classes, settings=self)

    def _axes(self, site: Site) -> PrincipalAxes:
        from graphkd.components.transforms.principal_axes import PrincipalAxes

        axes = site.modules["axes"]
        if not isinstance(axes, PrincipalAxes):
            raise ComponentError(f"'{self.axes}' is no coordinates; write one's name", field="axes")
        return axes
