"""What InfoNCE is: one problem as data, and its value in plain PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from graphkd.kernels.precision import no_autocast, wide

Anchor = Literal["student", "knowledge"]

# under the root of a norm, so that a zero vector has a direction (zero) and a finite gradient
_EPS = 1e-12


class ContrastProblem(NamedTuple):
    """The arguments of one `infonce`.

    Attributes:
        student: "b d".
        knowledge: "b d".
        scale: "" or "1", no unit, above 0.
        bank: "m d".
        symmetric: take both directions.
        index: "b", int64.
        bank_index: "m", int64.
        label: "b", int64.
        bank_label: "m", int64.
        knowledge_gradient: the gradient flows into the knowledge too.
        anchor: who looks for its own.
    """

    student: Tensor
    knowledge: Tensor
    scale: Tensor | float
    bank: Tensor | None = None
    symmetric: bool = False
    # hides a method of tuples that nobody misses
    index: Tensor | None = None  # type: ignore[assignment]
    bank_index: Tensor | None = None
    label: Tensor | None = None
    bank_label: Tensor | None = None
    knowledge_gradient: bool = False
    anchor: Anchor = "student"


class ContrastValues(NamedTuple):
    """What `infonce_grouped` computes.

    Attributes:
        total: "", nats, the weighted sum of the losses; the gradients flow from it.
        values: "problems", nats, the losses; detached.
    """

    total: Tensor
    values: Tensor


def infonce_reference(
    student: Tensor,
    knowledge: Tensor,
    *,
    scale: Tensor | float,
    bank: Tensor | None = None,
    symmetric: bool = False,
    index: Tensor | None = None,
    bank_index: Tensor | None = None,
    label: Tensor | None = None,
    bank_label: Tensor | None = None,
    knowledge_gradient: bool = False,
    anchor: Anchor = "student",
) -> Tensor:
    """Say in plain PyTorch what the kernel must compute.

    With u(x) = x / sqrt(|x|^2 + 1e-12), k the knowledge followed by the bank,
    S_nm = scale * <u(student_n), u(k_m)> and P(n) the positives of n, which are n and, with labels,
    all other m of the same label, it is the mean over n of

        log sum_m exp S_nm - mean over m in P(n) of S_nm

    which without labels is -log( exp S_nn / sum_m exp S_nm ). With anchor "knowledge" each row of
    the knowledge looks for its student among the students: n and m change places, and there is no
    bank. Symmetric takes the mean of both; in the second the bank has no part. One row without a
    bank gives 0, an empty batch too.

    Source: van den Oord, Li, Vinyals, "Representation Learning with Contrastive Predictive Coding",
    2018, arXiv 1807.03748, equation 4. Several positives: Khosla et al., "Supervised Contrastive
    Learning", 2020, arXiv 2004.11362, equation 2; there a row is not its own positive, since both
    sides are the same vectors.

    Args:
        student: "b d".
        knowledge: "b d", row n belongs to student n; detached, unless `knowledge_gradient`.
        scale: "" or "1", 1 / temperature, no unit, above 0; a gradient flows into a tensor.
        bank: "m d", further knowledge that belongs to none of the students; detached.
        symmetric: take both directions.
        index: "b", int64, numbers of the samples; a pair of equal numbers off the diagonal is
            neither negative nor positive: it is left out.
        bank_index: "m", int64, those of the bank; without it nothing of the bank is left out.
        label: "b", int64; pairs of equal labels are positives. A negative label equals none.
        bank_label: "m", int64, those of the bank; without it nothing of the bank is a positive.
        knowledge_gradient: the gradient flows into the knowledge too.
        anchor: who looks for its own.

    Returns:
        "", nats, float32 whatever autocast says (float64 for float64 inputs).

    Raises:
        ValueError: the shapes of student and knowledge differ.
    """
    if student.shape != knowledge.shape:
        raise ValueError(
            f"student is {tuple(student.shape)} but knowledge is {tuple(knowledge.shape)}; "
            'both must be the same "b d"'
        )
    queries = _unit(wide(student))
    keys = knowledge if knowledge_gradient else knowledge.detach()
    keys = keys if bank is None else torch.cat([keys, bank.detach().to(keys.dtype)])
    keys = _unit(wide(keys).to(queries.dtype))
    if isinstance(scale, Tensor):
        scale = scale.reshape(()).to(queries.dtype)
    with no_autocast(student):
        logits = (queries * scale) @ keys.T
    positive = None
    if label is not None:
        positive = _equal(label, bank_label, num_columns=len(keys))
        positive = (positive & (label >= 0)[:, None]).fill_diagonal_(True)
    if index is not None:
        repeated = _equal(index, bank_index, num_columns=len(keys)).fill_diagonal_(False)
        logits = logits.masked_fill(repeated, float("-inf"))
        positive = None if positive is None else positive & ~repeated
    # the other direction: each row of the knowledge among the students
    turned = logits[:, : len(student)].T
    turned_positive = None if positive is None else positive[:, : len(student)].T
    if anchor == "knowledge":
        return _find_own(turned, turned_positive)
    loss = _find_own(logits, positive)
    return (loss + _find_own(turned, turned_positive)) / 2 if symmetric else loss


def _unit(x: Tensor) -> Tensor:
    return x * torch.rsqrt(x.square().sum(dim=-1, keepdim=True) + _EPS)


def _equal(numbers: Tensor, bank_numbers: Tensor | None, *, num_columns: int) -> Tensor:
    """Say which row and which column, knowledge then bank, have the same number."""
    same = numbers[:, None] == numbers[None, :]
    if bank_numbers is None:
        return F.pad(same, (0, num_columns - len(numbers)))
    return torch.cat([same, numbers[:, None] == bank_numbers[None, :]], dim=1)


def _find_own(logits: Tensor, positive: Tensor | None) -> Tensor:
    if positive is None:
        own = torch.arange(len(logits), device=logits.device)
        return F.cross_entropy(logits, own, reduction="sum") / max(len(logits), 1)
    # where there is no pair left, 0 instead of -inf, whose product with 0 is no number
    found = logits.masked_fill(~positive, 0.0).sum(dim=1) / positive.sum(dim=1)
    return (logits.logsumexp(dim=1) - found).sum() / max(len(logits), 1)


def grouped_reference(
    problems: Sequence[ContrastProblem], *, weights: Tensor | None = None
) -> ContrastValues:
    """Say in plain PyTorch what `infonce_grouped` must compute: sum_i weight_i * loss_i.

    Args:
        problems: at least one.
        weights: "problems"; 1 without.

    Returns:
        The sum and the losses, both at least float32.
    """
    losses = torch.stack([infonce_reference(**problem._asdict()) for problem in problems])
    weighted = losses if weights is None else losses * weights
    return ContrastValues(weighted.sum(), losses.detach())
