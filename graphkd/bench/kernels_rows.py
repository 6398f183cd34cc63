"""What was found about the kernels' speed, as data."""

from __future__ import annotations

from typing import Any

import attrs


@attrs.frozen
class Rates:
    """What the device reached in the same run.

    Attributes:
        copy: bytes a second.
        product: operations a second in bfloat16.
    """

    copy: float
    product: float


@attrs.frozen
class Row:
    """What one contestant took for one case.

    Attributes:
        case: number of the case.
        operation: what is computed.
        shape: on which sizes.
        contestant: who computed.
        note: why nothing was measured, or how it was; mostly empty.
        device_ms: milliseconds of the device; None without a GPU.
        host_ms: milliseconds of the host, from the call to the result; without a GPU those that
            its CPU worked.
        share: of the copy's or product's rate in the same run, from 0 to 1; None without a GPU.
        goal_ms: milliseconds of the device that the kernel should need on an H200.
        ratio: its time over that of graphkd, of the device where there is one.
    """

    case: str
    operation: str
    shape: str
    contestant: str
    note: str = ""
    device_ms: float | None = None
    host_ms: float | None = None
    share: float | None = None
    goal_ms: float | None = None
    ratio: float | None = None

    @property
    def time_ms(self) -> float | None:
        """The time that counts."""
        return self.host_ms if self.device_ms is None else self.device_ms


@attrs.frozen
class Found:
    """All that was measured.

    Attributes:
        device: name of the GPU; None without one.
        processor: name of the CPU.
        versions: of Python and of the packages that took part.
        rates: of the GPU; None without one.
        rows: one for each case and contestant that has something for it.
    """

    device: str | None
    processor: str
    versions: dict[str, str]
    rates: Rates | None
    rows: list[Row]

    def as_dict(self) -> dict[str, Any]:
        """Return all as JSON types."""
        return attrs.asdict(self)
