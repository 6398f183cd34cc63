"""The launches that compute a group of InfoNCE problems, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from graphkd.kernels.infonce_gradients import Gradients, make_gradients
from graphkd.kernels.infonce_group import Group, make_group
from graphkd.kernels.infonce_jobs import jobs_from
from graphkd.kernels.infonce_product_launches import attend, measure, weigh
from graphkd.kernels.infonce_reference import ContrastProblem
from graphkd.kernels.infonce_row_launches import Parts, Results, prepare, total
from graphkd.kernels.infonce_tiling import Chip
from graphkd.kernels.launch import Launch

__all__ = ["Plan", "Results", "plan"]

# launches in their order; parts of the losses; parts of the slopes on the scales
_Passes = tuple[list[Launch], Parts, Parts | None]


class Plan(NamedTuple):
    """The launches of one group.

    Attributes:
        launches: in their order.
        gradients: flat, its places are those of `gradient_places`; None without gradient.
    """

    launches: list[Launch]
    gradients: Tensor | None


def plan(
    problems: Sequence[ContrastProblem],
    places: Sequence[int],
    results: Results,
    *,
    weights: Tensor | Sequence[float],
    gradient: bool,
    first: bool = True,
    chip: Chip | None = None,
) -> Plan:
    """List the launches of problems that fit one form.

    The direction of one side, whose other side needs no gradient, takes one pass with an online
    softmax; what else needs a gradient takes a pass for the log-sum-exps and one for each side.

    Source: Milakov, Gimelshein, "Online normalizer calculation for softmax", 2018, arXiv
    1805.02867; without the matrix of similarities: Cheng et al., "Breaking the Memory Barrier: Near
    Infinite Batch Size Scaling for Contrastive Loss", 2024, arXiv 2410.17243.

    Args:
        problems: of one form, at most 16.
        places: their places in `results` and in `weights`.
        results: written to.
        weights: a tensor, one element for each problem of all groups, or numbers of this one's.
        gradient: compute gradients too.
        first: no other group has written to the total.
        chip: plan for this kind of GPU instead of that of the tensors.
    """
    group = make_group(problems, places, chip=chip)
    gradients = make_gradients(group) if gradient else None
    if gradients is not None and _takes_one_pass(group):
        launches, losses, slopes = _one_pass(group, gradients)
    else:
        launches, losses, slopes = _measured(group, gradients)
    last = total(group, results, losses=losses, slopes=slopes, first=first)
    flat = None if gradients is None else gradients.flat
    return Plan([prepare(group, weights), *launches, last], flat)


def _anchor(group: Group) -> int:
    """Tell the side whose rows look for their own; 0 if both do."""
    return 1 if group.one.anchor == "knowledge" else 0


def _takes_one_pass(group: Group) -> bool:
    one = group.one
    anchor_learns = _anchor(group) == 0 or one.knowledge_gradient
    return not one.symmetric and one.label is None and anchor_learns


def _one_pass(group: Group, gradients: Gradients) -> _Passes:
    """Take the rows' gradients with the losses; the columns need a pass, if they learn."""
    anchor = _anchor(group)
    launches, losses, slopes = attend(group, jobs_from(group, anchor), gradients)
    # students always learn
    if anchor == 1 or group.one.knowledge_gradient:
        more, weighed = weigh(group, jobs_from(group, 1 - anchor), gradients)
        launches += more
        slopes = weighed if anchor == 1 else slopes
    return launches, losses, slopes


def _measured(group: Group, gradients: Gradients | None) -> _Passes:
    """Take the losses, then, with `gradients`, those of each side that learns."""
    launches, losses = measure(group, jobs_from(group, _anchor(group)))
    slopes = None
    sides = [0, 1] if group.one.knowledge_gradient else [0]
    # both sides share a launch where both have a term of the rows and one of the columns
    for together in [sides] if group.one.symmetric else [[side] for side in sides]:
        if gradients is not None:
            more, weighed = weigh(group, jobs_from(group, *together), gradients)
            launches += more
            slopes = weighed if 0 in together else slopes
    return launches, losses, slopes
