"""The figures of a fidelity study, each drawn by one function."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from graphkd.inspect.comparison.data import spread
from graphkd.inspect.study.axes import (
    COLOURS,
    PERCENT,
    WIDENS,
    legend_beside,
    look,
    points,
    say,
    widen,
)
from graphkd.inspect.study.data import Study, share_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def agreement_accuracy(figure: Figure, found: Study) -> None:
    """Draw test agreement over test accuracy, a mark for each policy."""
    axes = figure.subplots()
    points(axes, found, ("test", "top1"), ("test", "agreement"))
    teacher = found.spread("teacher", "teacher", "test", "top1")
    if teacher is not None:
        axes.axvline(PERCENT * teacher.mean, color="#495057", linestyle="--", linewidth=1)
        say(axes, PERCENT * teacher.mean, "teacher's accuracy")
    widen(axes)
    axes.set_xlabel(f"student's test accuracy, % {WIDENS}")
    axes.set_ylabel("test agreement with the teacher, %")
    axes.set_title("Fidelity and accuracy, by what the student is shown")
    legend_beside(figure, axes)


def train_test(figure: Figure, found: Study) -> None:
    """Draw test agreement over agreement on the distillation data."""
    axes = figure.subplots()
    points(axes, found, ("distil", "agreement"), ("test", "agreement"))
    widen(axes)
    ends = axes.get_xlim(), axes.get_ylim()
    # many points: the line is straight only where both scales are alike
    line = np.linspace(0.0, PERCENT, 200)
    axes.plot(line, line, color="#495057", linestyle=":", linewidth=1)
    axes.set_xlim(ends[0])
    axes.set_ylim(ends[1])
    axes.set_xlabel(f"agreement on the distillation data, % {WIDENS}")
    axes.set_ylabel("test agreement, %")
    axes.set_title("Agreement where the student learns, and on new images")
    legend_beside(figure, axes)


def kl_ece(figure: Figure, found: Study) -> None:
    """Draw divergence and calibration error, a line for each policy."""
    left, right = figure.subplots(1, 2, sharey=True)
    names = list(found.policies)
    panels = (
        (left, "predictive_kl", "KL(teacher ‖ student), nats"),
        (right, "ece", "expected calibration error"),
    )
    for axes, key, label in panels:
        for place, name in enumerate(names):
            values = found.values("policy", name, "test", key)
            own = found.spread("policy", name, "test", key)
            assert own is not None
            shape = look(place)
            if len(values) > 1:
                axes.plot(values, [place] * len(values), **shape, markersize=4.5, alpha=0.35)
            axes.errorbar([own.mean], [place], xerr=[own.sd or 0.0], **shape, markersize=8)
        axes.set_xlabel(label)
        axes.grid(visible=False, axis="y")
    teacher = found.spread("teacher", "teacher", "test", "ece")
    if teacher is not None:
        right.axvline(teacher.mean, color="#495057", linestyle="--", linewidth=1)
        say(right, teacher.mean, "teacher", above=True)
    for axes in (left, right):
        # at the end: it also ends the search for the other limit
        axes.set_xlim(left=0.0)
    left.set_yticks(range(len(names)), names)
    left.invert_yaxis()
    figure.suptitle(
        "Predictive distribution on the test split", x=0.01, ha="left", weight="bold", size=11
    )


def control(figure: Figure, found: Study) -> None:
    """Draw who agrees with whom, and the excess of the student over the control student."""
    left, right = figure.subplots(1, 2, width_ratios=(2, 1))
    kinds = (
        ("t and s", "policy", found.first, "agreement"),
        ("t and s'", "control", "control", "other_agreement"),
        ("t and t'", "teacher", "teacher", "other_agreement"),
    )
    columns = [
        [PERCENT * each for each in found.values(part, name, "test", key)]
        for _, part, name, key in kinds
    ]
    for seed in zip(*columns, strict=True):
        left.plot(range(len(kinds)), seed, color="#adb5bd", linewidth=1, zorder=1)
    for place, (title, part, name, key) in enumerate(kinds):
        own = found.spread(part, name, "test", key)
        assert own is not None
        left.plot([place] * len(columns[place]), columns[place], **look(place), alpha=0.35)
        left.errorbar(
            [place],
            [PERCENT * own.mean],
            yerr=[PERCENT * (own.sd or 0.0)],
            **look(place),
            markersize=9,
            label=title,
        )
    left.set_xticks(range(len(kinds)), [title for title, *_ in kinds])
    left.set_xlim(-0.5, len(kinds) - 0.5)
    left.set_ylabel("test agreement, %")
    left.set_xlabel("s is the student of t, s' of another teacher t'")
    left.set_title("Who agrees with whom")
    _excess(right, found)


def _excess(axes: Axes, found: Study) -> None:
    for place, split in enumerate(("train", "test")):
        values = [PERCENT * each for each in found.excess(split)]
        if not values:
            continue
        own = spread(values)
        axes.bar([place], [own.mean], yerr=[own.sd or 0.0], width=0.55, color=COLOURS[5])
        axes.plot([place] * len(values), values, "o", color="#000000", markersize=4, alpha=0.6)
    axes.axhline(0.0, color="#000000", linewidth=1)
    axes.set_xticks([0, 1], ["train", "test"])
    axes.set_xlim(-0.6, 1.6)
    axes.set_ylabel("(t, s) less (t, s'), points")
    axes.set_title("Excess")


def start_near(figure: Figure, found: Study) -> None:
    """Draw agreement and loss over the share of the teacher's weights."""
    left, right = figure.subplots(1, 2)
    for number, split in enumerate(("train", "test")):
        _line(left, found, number, split, "agreement", factor=PERCENT)
    left.set_ylabel("agreement with the teacher, %")
    left.set_title("Agreement after distillation")
    left.legend(title="split", loc="lower right")
    _line(right, found, 2, "test", "train_loss", factor=1.0)
    right.set_yscale("log")
    right.set_ylabel("distillation loss, mean of the last epoch")
    right.set_title("Train loss")
    for axes in (left, right):
        axes.set_xlabel("share of the teacher's weights at the start")
    figure.set_layout_engine("constrained", wspace=0.08)


def _line(axes: Axes, found: Study, number: int, split: str, key: str, *, factor: float) -> None:
    spreads = [found.spread("near", share_name(each), split, key) for each in found.shares]
    drawn = [(x, one) for x, one in zip(found.shares, spreads, strict=True) if one is not None]
    axes.errorbar(
        [x for x, _ in drawn],
        [factor * one.mean for _, one in drawn],
        yerr=[factor * (one.sd or 0.0) for _, one in drawn],
        **{**look(number), "linestyle": "-"},
        label=split,
    )
