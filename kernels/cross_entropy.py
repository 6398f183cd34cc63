"""Cross-entropy of logits with class numbers, some of them missing, or class probabilities."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from graphkd.kernels.labels import UNLABELLED
from graphkd.kernels.launch import takes_kernel
from graphkd.kernels.precision import wide

# what ATen calls reduction="sum"
_SUM = 2


def cross_entropy_reference(
    student: Tensor, label: Tensor, *, label_smoothing: float = 0.0
) -> Tensor:
    """Say in plain PyTorch what the kernel must compute.

    With q = softmax(student), y the label as probabilities and e the smoothing, it is the mean over
    the labelled rows of -sum_c ((1 - e) y_c + e / c) log q_c. A class number of -1 marks a row
    without label; where no row has one, the loss and its gradient are 0.

    Args:
        student: "b c", logits.
        label: "b", class numbers, int64, from -1 to c - 1; or "b c", probabilities, floating
            point, every row a labelled one; detached.
        label_smoothing: e, no unit, from 0 to below 1.

    Returns:
        "", nats, float32 (float64 for float64 logits).
    """
    logits = wide(student)
    if label.is_floating_point():
        target = label.detach().to(logits.dtype)
        total = F.cross_entropy(logits, target, reduction="sum", label_smoothing=label_smoothing)
        return total / max(len(student), 1)
    log_probability = F.log_softmax(logits, dim=-1)
    # the operator behind F.nll_loss also counts the labelled rows, which saves two operations
    total, num_labelled = torch.ops.aten.nll_loss_forward.default(
        log_probability, label.long(), None, _SUM, UNLABELLED
    )
    if label_smoothing:
        uniform = log_probability.mean(dim=-1).masked_fill(label == UNLABELLED, 0.0).sum()
        total = total.lerp(-uniform, label_smoothing)
    loss: Tensor = total / num_labelled.clamp(min=1)
    return loss


def cross_entropy(student: Tensor, label: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Compute `cross_entropy_reference`."""
    if not takes_kernel(student):
        return cross_entropy_reference(student, label, label_smoothing=label_smoothing)
    from graphkd.kernels.logits import one_term
    from graphkd.kernels.terms import CrossEntropy

    return one_term(student, CrossEntropy(label_smoothing), label=label)
