"""Several blueprints beside each other: what was measured, and paired differences with intervals.

A difference is taken seed by seed: a blueprint's measure less that of the baseline with the same
seed. Over n seeds the interval is mean ± t(0.975, n - 1) s / sqrt(n), with s the sample standard
deviation of the differences and t the quantile of Student's distribution.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

import attrs

CONFIDENCE = 0.95
"""How often such an interval holds the true mean difference, if differences are normal."""


@attrs.frozen
class Metric:
    """A measure of one model alone.

    Attributes:
        key: its key in `results.json`.
        title: how people call it, with its unit.
        unit: of a difference as it is shown; empty for no unit.
        scale: factor from the stored number to the shown one.
        digits: how many are shown behind the point.
        sign: 1 where higher is better, -1 where lower is.
    """

    key: str
    title: str
    unit: str
    scale: float
    digits: int
    sign: int

    @property
    def better(self) -> str:
        """Say which way is better: `higher` or `lower`."""
        return "higher" if self.sign > 0 else "lower"

    def text(self, value: float, *, signed: bool = False) -> str:
        """Write a stored number as it is shown; a difference with its sign."""
        if not math.isfinite(value):
            return str(value)
        return f"{value * self.scale:{'+' if signed else ''}.{self.digits}f}"


METRICS = {
    each.key: each
    for each in (
        Metric("top1", "top-1 %", "points", 100.0, 2, 1),
        Metric("top5", "top-5 %", "points", 100.0, 2, 1),
        Metric("nll", "NLL, nats", "nats", 1.0, 4, -1),
        Metric("ece", "ECE", "", 1.0, 4, -1),
    )
}
"""The measures that blueprints are compared by."""


@attrs.frozen
class Spread:
    """Mean and spread of some numbers.

    Attributes:
        mean: their mean.
        sd: sample standard deviation; None for one number.
        low: lower end of the interval of the mean; None for one number.
        high: upper end.
    """

    mean: float
    sd: float | None
    low: float | None
    high: float | None


@attrs.frozen
class Paired:
    """How a blueprint does beside the baseline.

    Attributes:
        differences: for each seed its measure less that of the baseline.
        spread: of these differences.
        ahead: in how many seeds it is better.
        level: in how many it is equal.
    """

    differences: dict[int, float]
    spread: Spread
    ahead: int
    level: int


@attrs.frozen
class Entry:
    """One blueprint of a comparison.

    Attributes:
        name: of the blueprint.
        student: the model that is handed back, which is measured.
        parameters: of the student.
        steps: optimizer steps in the phases in which the student learns.
        all_steps: optimizer steps of all phases.
        digest: hash of the blueprint without its seed.
        measures: for each seed what was measured on the test split.
        reports: for each seed where its page lies, from the comparison's folder.
    """

    name: str
    student: str
    parameters: int
    steps: int
    all_steps: int
    digest: str
    measures: dict[int, dict[str, float]]
    reports: dict[int, str] = attrs.field(factory=dict)


@attrs.frozen
class Origin:
    """Where a comparison comes from.

    Attributes:
        command: what makes it again.
        date: when it was made.
        processor: name of the CPU.
        versions: of Python and of the packages that take part.
    """

    command: str
    date: str
    processor: str
    versions: dict[str, str]


@attrs.frozen
class Comparison:
    """Blueprints that were run with the same seeds.

    Attributes:
        metric: what they are compared by.
        baseline: name of the blueprint that the others are compared with.
        seeds: of the runs.
        entries: the blueprints, in the order they were named.
        dataset: name of the data set.
        images: number of test images.
        unequal: what differs in data or budget, a sentence each.
        origin: where it comes from.
        made_with: versions that made its runs, where these are not all those of now.
    """

    metric: Metric
    baseline: str
    seeds: tuple[int, ...]
    entries: tuple[Entry, ...]
    dataset: str
    images: int
    unequal: tuple[str, ...]
    origin: Origin
    made_with: tuple[str, ...] = ()

    def values(self, entry: Entry) -> list[float]:
        """Return the chosen measure for each seed."""
        return [entry.measures[seed][self.metric.key] for seed in self.seeds]

    def base(self) -> Entry:
        """Return the baseline."""
        return next(each for each in self.entries if each.name == self.baseline)

    def others(self) -> list[Entry]:
        """Return all but the baseline."""
        return [each for each in self.entries if each.name != self.baseline]

    def paired(self, entry: Entry) -> Paired:
        """Compare a blueprint with the baseline, seed by seed."""
        pairs = zip(self.seeds, self.values(entry), self.values(self.base()), strict=True)
        differences = {seed: own - other for seed, own, other in pairs}
        gains = [self.metric.sign * each for each in differences.values()]
        return Paired(
            differences,
            spread(list(differences.values())),
            ahead=sum(gain > 0 for gain in gains),
            level=sum(gain == 0 for gain in gains),
        )


def spread(values: Sequence[float]) -> Spread:
    """Compute mean, sample standard deviation and Student's interval of the mean.

    Args:
        values: at least one; where one is not finite, nothing that is returned is.
    """
    if not all(map(math.isfinite, values)):
        nothing = None if len(values) == 1 else math.nan
        return Spread(math.nan, nothing, nothing, nothing)
    mean = statistics.fmean(values)
    if len(values) == 1:
        return Spread(mean, None, None, None)
    # it comes with scikit-learn, and is slow to import
    from scipy.special import stdtrit  # type: ignore[import-untyped]

    sd = statistics.stdev(values)
    quantile = float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2))
    half = quantile * sd / math.sqrt(len(values))
    return Spread(mean, sd, mean - half, mean + half)


def comparison_data(found: Comparison) -> dict[str, Any]:
    """Return a comparison as plain data, for scripts; no number is scaled."""
    return {
        "metric": {"key": found.metric.key, "better": found.metric.better},
        "baseline": found.baseline,
        "seeds": list(found.seeds),
        "confidence": CONFIDENCE,
        "data": {"dataset": found.dataset, "split": "test", "images": found.images},
        "unequal": list(found.unequal),
        "made_with": list(found.made_with),
        "blueprints": {each.name: _entry_data(found, each) for each in found.entries},
        "origin": attrs.asdict(found.origin),
    }


def _entry_data(found: Comparison, entry: Entry) -> dict[str, Any]:
    own = spread(found.values(entry))
    difference = None
    if entry.name != found.baseline:
        paired = found.paired(entry)
        difference = {
            **attrs.asdict(paired.spread),
            "ahead": paired.ahead,
            "level": paired.level,
            "seeds": {str(seed): each for seed, each in paired.differences.items()},
        }
    return {
        "digest": entry.digest,
        "student": entry.student,
        "parameters": entry.parameters,
        "steps": entry.steps,
        "all_steps": entry.all_steps,
        "mean": own.mean,
        "sd": own.sd,
        "difference": difference,
        "seeds": {str(seed): measures for seed, measures in entry.measures.items()},
    }
