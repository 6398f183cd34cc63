"""Check parameters that are a lowest and a highest value."""

from __future__ import annotations

from typing import Any

import attrs


def rising(instance: Any, attribute: attrs.Attribute[Any], value: tuple[float, float]) -> None:
    """Validate a pair: both above 0, the second not below the first.

    Raises:
        ValueError: it is another pair.
    """
    low, high = value
    if not 0.0 < low <= high:
        raise ValueError(f"'{attribute.name}' must be above 0 and rising: {value}")
