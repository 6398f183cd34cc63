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
    return rows.gather(-1, _or_first(number)).squeeze(-1)


def is_class(rows: Tensor, number: Tensor) -> Tensor:
    """Mark in each row its class.

    Args:
        rows: "b c"; only its sizes and device count.
        number: "b", class numbers; an unlabelled row has no mark.

    Returns:
        "b c", bool.
    """
    labelled = (number != UNLABELLED).unsqueeze(-1)
    # unlike a comparison with all numbers, this refuses one that is no class
    return torch.zeros_like(rows, dtype=torch.bool).scatter(-1, _or_first(number), labelled)


def _or_first(number: Tensor) -> Tensor:
    return number.masked_fill(number == UNLABELLED, 0).unsqueeze(-1)


def split_by_class(logits: Tensor, number: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Take the label's class apart from the others, all in logarithms.

    Args:
        logits: "b c".
        number: "b", class numbers; an unlabelled row gives numbers without meaning.

    Returns:
        log p_y, "b"; log(1 - p_y), "b"; and the logarithms of the softmax over the classes other
        than y, "b c", -inf at y and where the softmax of them is not defined.
    """
    others = logits.masked_fill(is_class(logits, number), float("-inf"))
    if logits.shape[-1] == 1:
        none = torch.full_like(logits[:, 0], float("-inf"))
        # 0, but computed, as autograd wants it
        return 0.0 * logits[:, 0], none, none.unsqueeze(-1)
    rest, own = torch.logsumexp(others, dim=-1), of_class(logits, number)
    whole = torch.logaddexp(rest, own)
    # no other class possible: -inf - -inf is no number
    base = rest.masked_fill(rest == float("-inf"), 0.0)
    return own - whole, rest - whole, others - base.unsqueeze(-1)
