"""Measure how much more often the teacher is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from graphkd.component import Port, component

if TYPE_CHECKING:
    from torch import Tensor


@component("probe", "gap")
@attrs.frozen
class Gap:
    """The teacher's accuracy minus the student's, over the labelled samples, -1 to 1.

    Accuracy is the share of samples whose most likely class is the label. 0.02 says that the
    teacher is right in two samples of a hundred more; below 0 the student is the better one.

    Source: the teacher-student gap of Mirzadeh et al., "Improved Knowledge Distillation via Teacher
    Assistant", 2020, arXiv 1902.03393.
    """

    ports: ClassVar = (
        Port("student", "b c"),
        Port("teacher", "b c"),
        Port("label", "b", index="c"),
    )

    def __call__(self, student: Tensor, teacher: Tensor, label: Tensor) -> Tensor:
        """Compare two sets of logits with the labels.

        Args:
            student: "b c", logits; no gradient.
            teacher: "b c", logits; no gradient.
            label: "b", class numbers, int64; samples with -1 are left out.

        Returns:
            "", no unit, -1 to 1; 0 where no sample is labelled.
        """
        from graphkd.kernels import accuracy_gap

        return accuracy_gap(student, teacher, label)
