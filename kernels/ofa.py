"""One-for-all distillation: follow the teacher more where it is sure of the target class."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from graphkd.kernels.check import check_gamma, check_temperature, check_term
from graphkd.kernels.labels import class_of, is_class, labelled_mean, of_class
from graphkd.kernels.launch import takes_kernel
from graphkd.kernels.precision import wide


def ofa_reference(
    student: Tensor,
    teacher: Tensor,
    label: Tensor,
    *,
    temperature: float,
    gamma: float,
    nontarget_power: bool,
) -> Tensor:
    """Say in plain PyTorch what the kernel must compute.

    With p = softmax(teacher / T), q = softmax(student / T) and y the label, it is the mean over
    the labelled rows of

        -((1 + p_y)^gamma - 1) log q_y - sum_{c != y} w_c log q_c

    with w_c = p_c^gamma, or p_c without `nontarget_power`. There is no factor T^2. With gamma 1 it
    is the cross-entropy with p.

    Source: Hao, Guo, Han, Tang, Hu, Wang, Xu, "One-for-All: Bridge the Gap Between Heterogeneous
    Architectures in Knowledge Distillation", 2023, arXiv 2310.19444, equation 6, without the hard
    label's part, which is a cross-entropy of its own; the power on the other classes is in the
    authors' code only.

    Args:
        student: "b c", logits, finite.
        teacher: "b c", logits, at least one of a row finite; detached.
        label: "b", class numbers, int64, -1 for none; or "b c", probabilities.
        temperature: T, no unit, above 0.
        gamma: no unit, above 0.
        nontarget_power: whether the power acts on the other classes too.

    Returns:
        "", nats, float32 (float64 for float64 logits).

    Raises:
        ValueError: an argument does not fit, with what was expected.
    """
    check_term(student, teacher, label)
    check_temperature(temperature)
    check_gamma(gamma)
    number = class_of(label)
    log_q = F.log_softmax(wide(student) / temperature, dim=-1)
    log_p = F.log_softmax(wide(teacher.detach()).to(log_q.dtype) / temperature, dim=-1)
    p = log_p.exp()
    # of the logarithm: p itself may underflow where its root does not
    others = (gamma * log_p).exp() if nontarget_power and gamma != 1.0 else p
    target = (1.0 + of_class(p, number)) ** gamma - 1.0
    factor = torch.where(is_class(p, number), target.unsqueeze(-1), others)
    return labelled_mean(-(factor * log_q).sum(dim=-1), number)


def ofa(
    student: Tensor,
    teacher: Tensor,
    label: Tensor,
    *,
    temperature: float = 1.0,
    gamma: float = 1.0,
    nontarget_power: bool = True,
) -> Tensor:
    """Compute `ofa_reference`."""
    if not takes_kernel(student):
        return ofa_reference(
            student,
            teacher,
            label,
            temperature=temperature,
            gamma=gamma,
            nontarget_power=nontarget_power,
        )
    from graphkd.kernels.logits import one_term
    from graphkd.kernels.terms import OFA

    return one_term(student, OFA(0, temperature, gamma, nontarget_power), teacher, label)
