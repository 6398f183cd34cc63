"""A student that starts at a chosen distance from its teacher."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs
from attrs.validators import ge, le

from graphkd.component import Site, component
from graphkd.components.models.model import Model
from graphkd.errors import ComponentError

if TYPE_CHECKING:
    from graphkd.components.models.near_network import NearNetwork


@component("model", "near")
@attrs.frozen
class Near(Model):
    """A student that starts between random weights and those of a teacher of its own architecture.

    theta_s = share theta_t + (1 - share) theta_r, for every floating entry of the state, running
    statistics too; integer counters are the teacher's. theta_t are the teacher's weights and
    theta_r the node's own initial ones when a phase with `fit: [NODE]` begins. In that phase the
    running statistics of batch norms are computed anew, in one pass in training mode without
    gradients, as the plain average over the batches; other weights stay. The phase must come
    before the one that trains the node.

    Source: Stanton, Izmailov, Kirichenko, Alemi, Wilson, "Does Knowledge Distillation Really
    Work?", 2021, arXiv 2106.05945, section 6.2; their code keeps 1 - share, as a distance, and
    lets running statistics forget with their momentum.

    Attributes:
        of: the node whose weights it starts near: a model of the same library, name and args.
        share: part of the teacher's weights in the initial ones, no unit, 0 to 1.
    """

    learns: ClassVar[bool] = True
    delivered: ClassVar[bool] = True
    fits: ClassVar[bool] = True

    of: str = attrs.field(kw_only=True, metadata={"reference": "node"})
    share: float = attrs.field(default=0.5, validator=[ge(0.0), le(1.0)], kw_only=True)

    def build(self, site: Site) -> NearNetwork:
        """Build the network with its own random weights; the fit moves them.

        Args:
            site: its `modules["of"]` is the teacher's network.

        Returns:
            A `Network` that a phase can fit.

        Raises:
            ComponentError: as for every model, or its entries are not those of the teacher.
        """
        from graphkd.components.models.near_network import NearNetwork, difference

        network = super().build(site)
        teacher = site.modules["of"]
        said = difference(network, teacher)
        if said:
            text = f"'{self.of}' is no network of the same architecture: {said}"
            raise ComponentError(f"{text}; write its model and args here", field="of")
        return NearNetwork(network, teacher, share=self.share)
