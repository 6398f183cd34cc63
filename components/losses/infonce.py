"""Tell one's own sample's knowledge from that of the other samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import attrs
from attrs.validators import ge, in_

from graphkd.component import Port, Site, component

if TYPE_CHECKING:
    from torch import nn


@component("loss", "infonce")
@attrs.frozen
class InfoNCE:
    """Mean over the batch of -log softmax_m(<s_n, t_m> / tau) at m = n, in nats.

    s and t are student and teacher vectors of length 1; m runs over the batch and, with `gather`,
    over the batches of the other processes. A student row thus looks for its own sample's knowledge
    among that of all samples; log b nats is chance. tau = exp(-l) is trained with the learner,
    1 / tau at most 100. With b = 1 and one process the loss is 0.

    Source: van den Oord, Li, Vinyals, "Representation Learning with Contrastive Predictive Coding",
    2018, arXiv 1807.03748, equation 4; between architectures "TAS: Distilling Arbitrary Teacher and
    Student via a Hybrid Assistant", 2024, arXiv 2410.12342. There each teacher row looks for its
    student, as with anchor "teacher"; by default the student looks, since only then more knowledge
    makes more negatives. The learnt temperature and its limit: Radford et al., "Learning
    Transferable Visual Models From Natural Language Supervision", 2021, arXiv 2103.00020, section
    2.5.

    Attributes:
        temperature: tau to start from, no unit, at least 0.01. Higher is softer.
        learnable: tau is trained; else it stays.
        symmetric: the mean of this and of the other direction, where each teacher row looks for its
            student among the students.
        gather: the rows of the other processes are negatives too, as if all were one batch; else
            each process looks at its own rows alone.
        anchor: who looks for its own. With "teacher" each teacher row looks for its student among
            the students.
    """

    fusion: ClassVar[str] = "infonce"
    ports: ClassVar = (
        Port("student", "b d"),
        Port("teacher", "b d"),
        Port("index", "b", optional=True),
    )

    temperature: float = attrs.field(default=0.07, validator=ge(0.01))
    learnable: bool = True
    symmetric: bool = False
    gather: bool = True
    anchor: Literal["student", "teacher"] = attrs.field(
        default="student", validator=in_(("student", "teacher"))
    )

    @anchor.validator
    def _is_one_direction(self, attribute: attrs.Attribute[str], anchor: str) -> None:
        if anchor == "teacher" and self.symmetric:
            raise ValueError("anchor is 'teacher', but symmetric takes both; leave one of them out")

    def build(self, site: Site) -> nn.Module:
        """Build the loss with its temperature.

        Args:
            site: not looked at; any sizes will do.

        Returns:
            A module from student "b d", teacher "b d" and, optionally, index "b" (numbers of the
            samples; the same sample twice is no negative) to "", nats.
        """
        from graphkd.kernels import Contrast

        return Contrast(
            temperature=self.temperature,
            learnable=self.learnable,
            symmetric=self.symmetric,
            gather=self.gather,
            anchor="student" if self.anchor == "student" else "knowledge",
        )
