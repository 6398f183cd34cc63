"""Remember the embedding of each training sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import attrs

from graphkd.component import Port, Site, component

if TYPE_CHECKING:
    from graphkd.components.transforms.index_table import IndexTable


@component("transform", "recall")
@attrs.frozen
class Recall:
    """Give each sample the embedding t_n that it had in one pass.

    A phase that fits it keeps the embeddings of all samples, without augmentation, by their index.
    Afterwards what made them does not run.

    Source: Zhou, Zhu, Wu, "All You Need in Knowledge Distillation Is a Tailored Coordinate System"
    (TCS), 2024, arXiv 2412.09388, where the features of one pass are the targets.

    Attributes:
        dtype: in which they are kept, `float32`, or `float16` in half the memory.
    """

    ports: ClassVar = (Port("input", "b d", fit=True), Port("index", "b"))
    fits: ClassVar[bool] = True

    dtype: Literal["float32", "float16"] = "float32"

    def build(self, site: Site) -> IndexTable:
        """Build the table, empty.

        Args:
            site: input "b d".

        Returns:
            A module from index "b" to "b d", float32.
        """
        import torch

        from graphkd.components.transforms.index_table import IndexTable

        width = site.inputs["input"][0].channels
        return IndexTable("recall", width, dtype=getattr(torch, self.dtype))
