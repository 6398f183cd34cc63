"""InfoNCE by attention: with the keys as values it gives loss and gradient at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from graphkd.bench.kernels_cases import SCALE, Case, ContrastCase, Outputs, Solve

WIDEST = 256
"""Width of vectors that flash attention takes."""


def by_attention(case: Case) -> Solve | None:
    """Return what computes a case; None for what attention has no form of.

    Only one direction with the knowledge detached: the softmax over the keys, times the keys, less
    the own key, is the gradient of the query.
    """
    if not isinstance(case, ContrastCase) or case.symmetric or case.learners > 1:
        return None
    return _solve if case.width <= WIDEST else None


def _solve(inputs: Sequence[Tensor]) -> Outputs:
    student, knowledge, *bank = inputs
    if student.ndim == 2:
        student, knowledge = student[None], knowledge[None]
    lengths = student.norm(dim=-1, keepdim=True)
    queries = student / lengths
    own = F.normalize(knowledge, dim=-1)
    keys = own if not bank else torch.cat([own, F.normalize(bank[0], dim=-1)[None]], dim=1)
    mean, log_sums = _attend(queries[:, None], keys[:, None])
    num_rows = student.shape[1]
    loss = (log_sums - SCALE * (queries * own).sum(dim=-1).float()).sum() / num_rows
    # through the division by the length: what lies along the vector falls out
    across = (mean - own).float() * (SCALE / num_rows)
    along = (across * queries).sum(dim=-1, keepdim=True)
    gradient = ((across - queries * along) / lengths).to(student.dtype)
    return loss, gradient.view(inputs[0].shape)


def _attend(queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean of the keys by their probability, "f b d", and log-sum-exps, "f b"."""
    if queries.is_cuda:
        flash = torch.ops.aten._scaled_dot_product_flash_attention.default
        mean, log_sums, *_ = flash(queries, keys, keys, scale=SCALE)
    else:
        flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default
        mean, log_sums = flash(queries, keys, keys, scale=SCALE)
    return mean[:, 0], log_sums[:, 0]
