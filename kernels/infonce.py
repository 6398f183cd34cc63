"""InfoNCE: find one's own sample's knowledge among everybody's."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from graphkd.kernels.precision import no_autocast, wide

# under the root of a norm, so that a zero vector has a direction (zero) and a finite gradient
_EPS = 1e-12


def infonce_reference(
    student: Tensor,
    knowledge: Tensor,
    *,
    scale: Tensor | float,
    bank: Tensor | None = None,
    symmetric: bool = False,
    index: Tensor | None = None,
    bank_index: Tensor | None = None,
) -> Tensor:
    """Say in plain PyTorch what the kernel must compute.

    With u(x) = x / sqrt(|x|^2 + 1e-12), k the knowledge followed by the bank and
    S_nm = scale * <u(student_n), u(k_m)>, it is the mean over n of

        -log( exp S_nn / sum_m exp S_nm )

    Symmetric takes the mean of this and of the other direction, in which each row of the knowledge
    finds its student among the students; the bank has no part in that. One row without a bank
    gives 0, an empty batch too.

    Args:
        student: "b d".
        knowledge: "b d", row n belongs to student n; detached.
        scale: "" or "1", 1 / temperature, no unit, above 0; a gradient flows into a tensor.
        bank: "m d", further knowledge that belongs to none of the students; detached.
        symmetric: take both directions.
        index: "b", numbers of the samples; a pair of equal numbers off the diagonal is no negative
            and is left out.
        bank_index: "m", those of the bank; without it nothing of the bank is left out.

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
    keys = knowledge if bank is None else torch.cat([knowledge, bank.to(knowledge.dtype)])
    keys = _unit(wide(keys.detach()).to(queries.dtype))
    with no_autocast(student):
        logits = (queries * scale) @ keys.T
    if index is not None:
        repeated = _repeated(index, bank_index, num_columns=len(keys))
        logits = logits.masked_fill(repeated, float("-inf"))
    loss = _diagonal_cross_entropy(logits)
    if symmetric:
        loss = (loss + _diagonal_cross_entropy(logits[:, : len(student)].T)) / 2
    return loss


def _unit(x: Tensor) -> Tensor:
    return x * torch.rsqrt(x.square().sum(dim=-1, keepdim=True) + _EPS)


def _repeated(index: Tensor, bank_index: Tensor | None, *, num_columns: int) -> Tensor:
    if bank_index is None:
        bank_index = index.new_full((num_columns - len(index),), -1)
    same = index[:, None] == torch.cat([index, bank_index])
    return same.fill_diagonal_(False)


def _diagonal_cross_entropy(logits: Tensor) -> Tensor:
    own = torch.arange(len(logits), device=logits.device)
    return F.cross_entropy(logits, own, reduction="sum") / max(len(logits), 1)


def infonce(
    student: Tensor,
    knowledge: Tensor,
    *,
    scale: Tensor | float,
    bank: Tensor | None = None,
    symmetric: bool = False,
    index: Tensor | None = None,
    bank_index: Tensor | None = None,
) -> Tensor:
    """Compute `infonce_reference`."""
    return infonce_reference(
        student,
        knowledge,
        scale=scale,
        bank=bank,
        symmetric=symmetric,
        index=index,
        bank_index=bank_index,
    )
