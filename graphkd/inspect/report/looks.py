"""The charts of a run: what they are called, and how their values are shown."""

from __future__ import annotations

import attrs


@attrs.frozen
class Look:
    """How a chart is drawn.

    Attributes:
        title: what it shows.
        unit: of its values as they are shown; empty for none.
        scale: factor from the stored number to the shown one.
        log: whether a reader may choose a scale of powers of ten.
        zero: whether zero belongs to it.
    """

    title: str
    unit: str = ""
    scale: float = 1.0
    log: bool = False
    zero: bool = False


LOOKS = {
    "loss": Look("Loss of each flow", log=True),
    "top1": Look("Validation accuracy", "%", 100.0),
    "gap": Look("Accuracy behind the teacher", "points", 100.0, zero=True),
    "agreement": Look("Agreement with the teacher", "%", 100.0),
    "predictive_kl": Look("KL from the teacher's probabilities", "nats", log=True),
    "ece": Look("Calibration error", "", zero=True),
    "nll": Look("Negative log-likelihood", "nats", log=True),
    "lr": Look("Learning rate", log=True),
    "probe": Look("Probes", log=True),
    "samples_per_second": Look("Speed", "samples/s", zero=True),
    "memory_bytes": Look("Memory, the most so far", "GiB", 2.0**-30, zero=True),
}
"""The charts of a page, in order."""
