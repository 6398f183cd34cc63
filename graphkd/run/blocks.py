"""Operations that run one after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

Values = list[Any]
Operation = Callable[[Values], None]
"""Takes values from their slots, and puts what it makes into others."""


def in_turn(operations: Sequence[Operation]) -> Operation:
    """Run operations in order."""

    def run(values: Values) -> None:
        for operation in operations:
            operation(values)

    return run


def together(
    operations: Sequence[Operation],
    *,
    notes: Mapping[Operation, Callable[[Values], str]],
    gradient: bool,
) -> Operation:
    """Run operations in order, and record no graph where no gradient is wanted.

    Args:
        operations: one or more.
        notes: what is added to the error of an operation.
        gradient: whether a graph is recorded.
    """

    def run(values: Values) -> None:
        operation = operations[0]
        try:
            for operation in operations:
                operation(values)
        except Exception as error:
            error.add_note(notes[operation](values))
            raise

    if gradient:
        return run

    def run_without_gradient(values: Values) -> None:
        with torch.no_grad():
            run(values)

    return run_without_gradient
