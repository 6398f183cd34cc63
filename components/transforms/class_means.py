"""The mean embedding of each sample's class."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from graphkd.component import Port, Site, component
from graphkd.errors import ComponentError

if TYPE_CHECKING:
    from torch import nn


@component("transform", "class_means")
@attrs.frozen
class ClassMeans:
    """Give each sample the mean vector of its class over the training samples.

    c_k = (1 / n_k) sum_{n: y_n = k} x_n, found by a phase that fits it, in one pass over the
    samples without augmentation, summed in float64. A sample gets sum_k y_k c_k of its label as
    probabilities, so that mixed labels give mixed means, and 0 where it has no label.

    Source: Wang, Zheng, Zhang, Tan, Wang, "Improving Knowledge Distillation via Regularizing
    Feature Norm and Direction", 2023, arXiv 2305.17007; their code draws an augmentation for each
    image.
    """

    ports: ClassVar = (Port("input", "b d", fit=True), Port("label", "b | b c"))
    fits: ClassVar[bool] = True

    def build(self, site: Site) -> nn.Module:
        """Build the table, empty.

        Args:
            site: input "b d", and label with the number of classes.

        Returns:
            A module from label "b" or "b c" to "b d", float32.

        Raises:
            ComponentError: the labels count no classes.
        """
        from graphkd.components.transforms.class_table import ClassTable

        label = site.inputs["label"][0]
        classes = label.classes or (label.shape[1] if len(label.shape) == 2 else site.classes)
        if not classes:
            raise ComponentError("class_means needs labels that count classes", field="label")
        return ClassTable(classes, site.inputs["input"][0].channels)
