"""A wider model that learns together with its student, whose weights are slices of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs
from attrs.validators import and_, ge, le

from graphkd.component import Port, Site, component

if TYPE_CHECKING:
    from graphkd.components.models.tap_network import TapNetwork


@component("model", "dynamic_teacher")
@attrs.frozen
class DynamicTeacher:
    """The student made wider, starting from its function, on shared weights.

    Every layer has r times the channels. At the start each wide feature is h_d = [h, .., h], r
    copies of the student's h, and both models give the same logits; then they part, as the copies
    are noise apart and only the first is trained by the student's own losses. Each stored tensor P
    is one parameter of both: the wide model computes with k_d P, the student with k_s P[slice of
    the first copies]; gradients of both add up in P, and the optimizer has one state for it.

    P is what the official code stores, so that step sizes and weight decay are its own:

    - weights of inner layers: tile(W)/r, k_s = r, k_d = 1
    - first layer, biases, tokens and position embeddings: tile(W)/r, k_s = r, k_d = r
    - classifier weight: [W, .., W], k_s = 1, k_d = 1/r
    - depthwise and grouped layers, norms, slopes, layer scales, bias tables: tile(W), 1, 1

    Features carry no factor 1/r as they do there, which makes the wide model a plain one: any
    activation and attention is exact. The noise is in all copies, the student's included. Running
    statistics are not shared.

    When its first phase begins, the copies are made anew of what the student has become.

    With M > 1 every 3x3 convolution of stride 1 trains as M linear branches, which both models
    merge into one kernel before they convolve (see `BranchedConv2d`). With `fine_tune` the student
    stays what it was; without, its function changes, as for a student without weights.

    A student that is handed back is the slice, its branches merged: plain and of its own size.

    Source: "Gap Preserving Distillation by Building Bidirectional Mappings with A Dynamic
    Teacher", 2024, arXiv 2410.04140, and its official code.

    Attributes:
        of: the student, a model node.
        expand: r, how often each channel is repeated, at least 2.
        branches: M, number of branches of each 3x3 convolution, 1 to 6; 1: plain convolutions.
        noise: standard deviation of what is added to each repeated tensor, 0 or more; at 0 the
            copies stay equal for ever.
        fine_tune: begin with branches that leave the student as it is, for one with weights.
        first: layers that read the image (module paths); empty: found.
        last: layers that give the logits (module paths); empty: found.
    """

    ports: ClassVar = (Port("input", "b c h w"),)
    learns: ClassVar[bool] = True
    delivered: ClassVar[bool] = False
    # a student that has learnt alone is copied anew when the first phase of both begins
    advances: ClassVar[bool] = True

    of: str = attrs.field(metadata={"reference": "node"})
    expand: int = attrs.field(default=2, validator=ge(2))
    branches: int = attrs.field(default=1, validator=and_(ge(1), le(6)))
    noise: float = attrs.field(default=1e-6, validator=ge(0.0))
    fine_tune: bool = False
    first: tuple[str, ...] = ()
    last: tuple[str, ...] = ()

    def build(self, site: Site) -> TapNetwork:
        """Build the wide model and turn the student's weights into slices of it.

        Args:
            site: its `modules["of"]` is the student's network, which changes how it stores its
                weights. With `load_weights` False the two are not compared.

        Returns:
            The student's taps around the wide model; its input is the student's.

        Raises:
            ComponentError: the student has a layer that cannot be widened, or another dynamic
                teacher has widened it.
        """
        from graphkd.components.models.tap_network import TapNetwork
        from graphkd.components.models.wide.widening import Widening, widen
        from graphkd.errors import ComponentError

        student = site.modules["of"]
        if not isinstance(student, TapNetwork):
            raise ComponentError(f"'{self.of}' is no student or teacher model", field="of")
        widening = Widening(
            copies=self.expand,
            branches=self.branches,
            exact=self.fine_tune,
            noise=self.noise,
            first=self.first,
            last=self.last,
        )
        return widen(student, widening, compare=site.load_weights)
