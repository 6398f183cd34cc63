"""Measure how alike student and teacher see the samples inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from graphkd.component import Port, component

if TYPE_CHECKING:
    from torch import Tensor


@component("probe", "cka")
@attrs.frozen
class CKA:
    """Centred kernel alignment of two taps, linear kernel, after averaging over places or tokens.

    With K = X X^T and L = Y Y^T over n samples, their diagonals set to 0:
        HSIC(K, L) = [tr(K L) + (1'K1)(1'L1) / ((n-1)(n-2)) - 2 / (n-2) 1'K L 1] / (n (n-3)),
        CKA = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)).
    1 for equal taps; unchanged when a side is turned, scaled or shifted; about 0 for taps that have
    nothing in common, and slightly below as the estimate has no bias. The widths may differ. What a
    run reports is the mean over batches, which is close to the value of all samples at once for
    batches of a hundred samples and more.

    Source: Kornblith, Norouzi, Lee, Hinton, "Similarity of Neural Network Representations
    Revisited", 2019, arXiv 1905.00414, section 3; the estimate of HSIC of Song et al., "Feature
    Selection via Dependence Maximization", 2012, equation 5, as in Nguyen, Raghu, Kornblith, "Do
    Wide and Deep Networks Learn the Same Things?", 2021, arXiv 2010.15327, section 2.
    """

    ports: ClassVar = (Port("student", "b ..."), Port("teacher", "b ..."))

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Compare two taps.

        Args:
            student: "b c h w", "b n d" or "b d"; no gradient.
            teacher: in one of these layouts, of the same samples; no gradient.

        Returns:
            "", no unit, at most 1, float32; nan below 4 samples, or where a side is the same for
            all samples.
        """
        from graphkd.components.probes.alignment import alignment, averaged

        return alignment(averaged(student), averaged(teacher))
