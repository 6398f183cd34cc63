"""What runs in the place of a frozen node's forward."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from graphkd.errors import mistake
from graphkd.run.blocks import Operation, Values, in_turn
from graphkd.run.cache.store import Store


def keeping(
    body: Sequence[Operation],
    *,
    node: str,
    store: Store,
    rows: int,
    stored: Sequence[int],
    makes: Sequence[int],
) -> Operation:
    """Make the operation that takes stored values, or computes, stores and then reads them.

    What was computed is read back, so that a step's values are the same whether they were stored
    before or not.

    Args:
        body: computes the values.
        node: whose they are.
        store: of the node.
        rows: slot of the samples' rows in the store.
        stored: slots of the values that came with the batch; empty where a sample lacks one.
        makes: slots of the values.
    """
    forward = in_turn(body)

    def compute(values: Values) -> list[Tensor]:
        before = _streams()
        forward(values)
        if not all(map(torch.equal, before, _streams())):
            text = f"node '{node}': its forward draws random numbers, so it differs every time"
            raise mistake(f"{text}; drop cache")
        made: list[Tensor] = [values[slot] for slot in makes]
        numbers = values[rows].cpu().numpy()
        store.write(numbers, made)
        return [each.to(made[0].device) for each in store.read(numbers)]

    # a compiled forward must not look into files
    apart = torch.compiler.disable(compute)  # type: ignore[no-untyped-call]

    def run(values: Values) -> None:
        found = [values[slot] for slot in stored]
        if any(each is None for each in found):
            found = apart(values)
        for slot, each in zip(makes, found, strict=True):
            values[slot] = each

    return run


def _streams() -> list[Tensor]:
    """Return the state of the random streams that a forward may draw from."""
    cuda = [torch.cuda.get_rng_state()] if torch.cuda.is_available() else []
    return [torch.get_rng_state(), *cuda]
