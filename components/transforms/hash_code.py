"""Remember on which sides of random planes the embedding of each training sample lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs
from attrs.validators import ge, gt, optional

from graphkd.component import Port, Site, component

if TYPE_CHECKING:
    from graphkd.components.transforms.hash_table import HashTable


@component("transform", "hash_code")
@attrs.frozen
class HashCode:
    """Give each sample the code 1[H t_n + b > 0] of the embedding that it had in one pass.

    The rows of H are random planes with entries from N(0, std^2). A phase that fits it sets b, for
    each plane minus the median over the samples, taken in the middle between two of them, so that
    each bit is 1 for half of them and none lies on a plane. It keeps the codes, a bit each, by the
    samples' index, and drops the embeddings.

    The planes depend on the node's `seed`, as initial weights do.

    Source: Wang, Ge, Wu, "Distilling Knowledge by Mimicking Features", 2020, arXiv 2011.01424, for
    planes, medians and code; Zhou, Zhu, Wu, "All You Need in Knowledge Distillation Is a Tailored
    Coordinate System" (TCS), 2024, arXiv 2412.09388, for codes that come from one pass over images
    without augmentation.

    Attributes:
        bits: number of planes, at least 1. The authors take 2048 for ImageNet, 32 d for CIFAR.
        std: of the planes' entries, above 0, no unit; empty: 1 / sqrt(d). The authors take that of
            the weights of the teacher's classifier.
    """

    ports: ClassVar = (Port("input", "b d", fit=True), Port("index", "b"))
    fits: ClassVar[bool] = True

    bits: int = attrs.field(default=2048, validator=ge(1))
    std: float | None = attrs.field(default=None, validator=optional(gt(0.0)))

    def build(self, site: Site) -> HashTable:
        """Draw the planes; there are no codes yet.

        Args:
            site: input "b d".

        Returns:
            A module from index "b" to "b m", m the bits, float32, 0 or 1.
        """
        from graphkd.components.transforms.hash_table import HashTable

        width = site.inputs["input"][0].channels
        return HashTable(width, self.bits, std=width**-0.5 if self.std is None else self.std)
