"""The measured losses by Liger-Kernel (Hsu and others 2024, arXiv 2410.10989), optional."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from graphkd.bench.kernels_cases import HARD, SOFT, TEMPERATURE, Case, LinearCase, LogitCase


def liger_loss(case: Case) -> Callable[..., Tensor] | None:
    """Return the case's loss as a function of its inputs; None where Liger has none."""
    if isinstance(case, LinearCase):
        return _linear_loss()
    if isinstance(case, LogitCase) and case.loss in ("kl", "jsd"):
        return _logit_loss(case)
    return None


def _logit_loss(case: LogitCase) -> Callable[..., Tensor]:
    from liger_kernel.transformers import (  # pyright: ignore[reportMissingImports]
        LigerJSD,
        LigerKLDIVLoss,
    )

    divergence: Any = (
        LigerJSD() if case.loss == "jsd" else LigerKLDIVLoss(reduction="batchmean", log_target=True)
    )

    def loss(student: Tensor, *others: Tensor) -> Tensor:
        *teachers, label = others
        total = torch.zeros((), device=student.device)
        for teacher in teachers:
            part = divergence(_log_probability(student), _log_probability(teacher))
            total = total + SOFT * TEMPERATURE**2 * part
        if case.labels:
            total = total + HARD * F.cross_entropy(student.float(), label)
        return total

    return loss


def _log_probability(logits: Tensor) -> Tensor:
    """Divide by a power of two, which rounds nothing, and widen while the row is read."""
    return F.log_softmax(logits / TEMPERATURE, dim=-1, dtype=torch.float32)


def _linear_loss() -> Callable[..., Tensor]:
    from liger_kernel.transformers import (  # pyright: ignore[reportMissingImports]
        LigerFusedLinearJSD,
    )

    # with beta 0 it is the forward KL
    divergence: Any = LigerFusedLinearJSD(jsd_beta=0.0, temperature=TEMPERATURE)

    def loss(hidden: Tensor, weight: Tensor, other: Tensor, other_weight: Tensor) -> Tensor:
        value: Tensor = divergence(hidden, weight, other, other_weight, None)
        return value * TEMPERATURE**2

    return loss
