"""Large numbers in few characters."""

from __future__ import annotations

_STEPS = ((10**15, "P"), (10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))


def short(number: int, unit: str = "") -> str:
    """Write a number with three digits, k, M, G, T or P, and its unit: `8.05 MFLOP`.

    Args:
        number: at least 0.
        unit: written behind; empty for a plain count.
    """
    for size, word in _STEPS:
        # from 999.5 on, three digits would round up to the next step's 1
        if number >= size * 0.9995:
            return f"{number / size:.3g} {word}{unit}"
    return f"{number} {unit}".strip()


def counted(number: int, word: str) -> str:
    """Write how many there are: `1 step`, `373 k parameters`."""
    return f"{short(number)} {word}" if number == 1 else f"{short(number)} {word}s"
