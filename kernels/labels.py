"""Labels as losses over logits read them: a class number, -1 for none, or class probabilities."""

from __future__ import annotations

import torch
from torch import Tensor

UNLABELLED = -1


def class_of(label: Tensor) -> Tensor:
    """Give the class number of each row.

    Args:
        label: "b", class numbers, -1 for none; or "b c", probabilities, of which the largest
            counts, the first among equals.

    Returns:
        "b", int64.
    """
    return label.argmax(dim=-1) if label.is_floating_point() else label.long()


def labelled_mean(rows: Tensor, number: Tensor) -> Tensor:
    """Compute the mean over the labelled rows, 0 where there is none.

    Args:
        rows: "b", a value a row.
        number: "b", class numbers, -1 for none.

    Returns:
        "", the unit of `rows`.
    """
    labelled = number != UNLABELLED
    return torch.where(labelled, rows, 0.0).sum() / labelled.sum().clamp(min=1)


def of_class(rows: Tensor, number: Tensor) -> Tensor:
    """Take from each row the value of its class.

    Args:
        rows: "b c".
        number: "b", class numbers; an unlabelled row gives that of class 0.

    Returns:
        "b".
    """
    return rows.gather(-1, number.clamp(min=0).unsqueeze(-1)).squeeze(-1)


def is_class(rows: Tensor, number: Tensor) -> Tensor:
    """Mark in each row its class.

    Args:
        rows: "b c"; only its sizes and device count.
        number: "b", class numbers; an unlabelled row has no mark.

    Returns:
        "b c", bool.
    """
    return number.unsqueeze(-1) == torch.arange(rows.shape[-1], device=rows.device)
