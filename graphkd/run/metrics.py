"""Measures of accuracy, calibration and fidelity, from logits."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

BINS = 10


def accuracy(logits: Tensor, labels: Tensor, *, top: int = 1) -> float:
    """Share of samples whose label is among the `top` largest logits.

    Args:
        logits: "n c".
        labels: "n", class numbers.
        top: how many; at most the number of classes.
    """
    best = logits.topk(min(top, logits.shape[1]), dim=1).indices
    return float((best == labels[:, None]).any(dim=1).double().mean())


def negative_log_likelihood(logits: Tensor, labels: Tensor) -> float:
    """Mean of -log p(label), in nats."""
    return float(F.cross_entropy(logits.double(), labels))


def calibration_error(logits: Tensor, labels: Tensor, *, bins: int = BINS) -> float:
    """Expected calibration error: sum over bins of (n_k / N) |accuracy_k - confidence_k|.

    Bins of the largest probability have equal width, ((k-1)/K, k/K]; empty ones count nothing.

    Source: Guo et al., "On Calibration of Modern Neural Networks", 2017, arXiv 1706.04599, eq. 3.
    """
    confidence, guess = logits.double().softmax(dim=1).max(dim=1)
    right = (guess == labels).double()
    which = (confidence * bins).ceil().long().clamp(1, bins) - 1
    zeros = torch.zeros(bins, dtype=torch.float64)
    gap = zeros.index_add(0, which, right) - zeros.index_add(0, which, confidence)
    return float(gap.abs().sum() / len(labels))


def agreement(student: Tensor, teacher: Tensor) -> float:
    """Share of samples on which the largest logit is the same class.

    Source: Stanton et al., "Does Knowledge Distillation Really Work?", 2021, arXiv 2106.05945.
    """
    return float((student.argmax(dim=1) == teacher.argmax(dim=1)).double().mean())


def predictive_kl(student: Tensor, teacher: Tensor) -> float:
    """Mean KL(teacher || student) at temperature 1, in nats.

    Source: Stanton et al. 2021, arXiv 2106.05945.
    """
    log_student = F.log_softmax(student.double(), dim=1)
    log_teacher = F.log_softmax(teacher.double(), dim=1)
    return float(F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True))


def quality(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Compute what is reported for one model alone."""
    return {
        "top1": accuracy(logits, labels),
        "top5": accuracy(logits, labels, top=5),
        "nll": negative_log_likelihood(logits, labels),
        "ece": calibration_error(logits, labels),
    }
