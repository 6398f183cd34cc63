"""Early stages of one network, late stages of another, and a few layers between."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import attrs
from attrs.validators import ge, gt

from graphkd.component import Port, Site, Socket, component
from graphkd.errors import ComponentError

if TYPE_CHECKING:
    from graphkd.components.models.hybrid_network import HybridNetwork
    from graphkd.components.models.tail import Tail
    from graphkd.components.models.tap_network import TapNetwork


@component("model", "hybrid_assistant")
@attrs.frozen
class HybridAssistant:
    """Early stages of one network, late stages of another, and a few layers between.

    p = fc(S4(L2G(X))), X the early tap, S4 and fc the late network's own last stage and classifier.
    L2G alone is new: a patch embedding and one window attention block, or a convolution block
    before convolutions. Its early stage should be that of the network of convolutions and its late
    one that of the other; the student's and the teacher's where both are of one kind. Modules that
    a student lends are trained by the assistant's losses too; those of a teacher stay frozen, and
    gradients pass through them. Running statistics follow their owner's own forward only.

    Source: "TAS: Distilling Arbitrary Teacher and Student via a Hybrid Assistant", 2024, arXiv
    2410.12342, also as "FBT: Fuse Before Transfer"; the layers of L2G in detail are ours.

    Attributes:
        early: tap that is read, `student.stage3`.
        late: stage2, stage3 or stage4 of the network whose last stages are used, `teacher.stage4`:
            a timm resnet, efficientnet or mobilenetv2, convnext, swin, vit, deit, mixer or resmlp.
        window: largest side of the windows of attention, in tokens, at least 1.
        mlp_ratio: hidden width of L2G's MLP over the width of its tokens, no unit, above 0.
        teacher_stage: `shared` runs the late network's own modules; `copy` trains a copy of them,
            taken when the assistant's first phase begins.
    """

    ports: ClassVar = (Port("early", "b c h w | b n d"),)
    learns: ClassVar[bool] = True
    delivered: ClassVar[bool] = False
    # its stages are other nodes' own
    deliverable: ClassVar[bool] = False

    @property
    def advances(self) -> bool:
        """Whether it is told how far a phase has come: what it copies may be trained before."""
        return self.teacher_stage == "copy"

    early: str = attrs.field(metadata={"reference": "tap"})
    late: str = attrs.field(metadata={"reference": "stage"})
    window: int = attrs.field(default=7, validator=ge(1))
    mlp_ratio: float = attrs.field(default=4.0, validator=gt(0.0))
    teacher_stage: Literal["shared", "copy"] = "shared"

    def build(self, site: Site) -> HybridNetwork:
        """Build the layers between, around modules that other nodes own.

        Args:
            site: `inputs["early"]` is the early tap, `modules["late"]` the late network.

        Returns:
            A `Network` that reads the early tap.

        Raises:
            ComponentError: the two cannot meet.
        """
        from graphkd.components.models.hybrid_network import HybridNetwork
        from graphkd.components.models.local_to_global import LocalToGlobal

        network, stage = self._late_network(site)
        tail = self._tail(network, stage)
        early = site.inputs["early"][0]
        self._check_early(early)
        self._check_late(tail.socket)
        projector = LocalToGlobal(
            early, tail.socket, heads=tail.heads, window=self.window, mlp_ratio=self.mlp_ratio
        )
        return HybridNetwork(projector, network, stage=stage, separate=self.teacher_stage == "copy")

    def _late_network(self, site: Site) -> tuple[TapNetwork, str]:
        from graphkd.components.models.tail import BEGINNINGS
        from graphkd.components.models.tap_network import TapNetwork

        name, _, stage = self.late.partition(".")
        if stage not in BEGINNINGS:
            choices = ", ".join(f"{name}.{each}" for each in BEGINNINGS)
            raise ComponentError(
                f"late is '{self.late}', with which no tail begins; write one of {choices}",
                field="late",
            )
        network = site.modules["late"]
        if not isinstance(network, TapNetwork):
            raise ComponentError(
                f"late is '{self.late}', but '{name}' is no network of its own; "
                "write a stage of a student, teacher or assistant",
                field="late",
            )
        return network, stage

    def _tail(self, network: TapNetwork, stage: str) -> Tail:
        try:
            return network.tail(stage)
        except ComponentError as error:
            raise ComponentError(f"late is '{self.late}', but {error}", field="late") from error

    def _check_early(self, early: Socket) -> None:
        from graphkd.components.models.local_to_global import has_grid

        if has_grid(early):
            return
        if len(early.shape) == 3:
            reason = "whose tokens fill no square; the taps stage1 to stage4 hold no class tokens"
        else:
            reason = "which has no places"
        node = self.early.partition(".")[0]
        raise ComponentError(
            f"early is '{self.early}', '{early}', {reason}; write {node}.stage3", field="early"
        )

    def _check_late(self, late: Socket) -> None:
        from graphkd.components.models.local_to_global import has_grid

        if not has_grid(late):
            raise ComponentError(
                f"late is '{self.late}', which reads '{late}', tokens that fill no square; "
                "give its network square images",
                field="late",
            )
