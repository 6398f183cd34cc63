"""The figures of a fidelity study, drawn with matplotlib as SVG and PNG."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs

from graphkd.errors import mistake
from graphkd.inspect.study import Study, share_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which the colour-blind tell apart; black for what is no policy
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
PIXELS = 150
"""Pixels an inch of the PNG files."""

_STYLE: Any = {
    "font.size": 10,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dee2e6",
    "grid.linewidth": 0.8,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "svg.fonttype": "none",
    "errorbar.capsize": 3,
    "legend.frameon": False,
}
PERCENT = 100.0


def require_plots() -> None:
    """Make sure that figures can be drawn.

    Raises:
        BlueprintError: matplotlib is absent.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise mistake(
            "the study draws its figures with matplotlib, which is not installed; "
            "run: pip install 'graphkd[plots]'"
        ) from error


@attrs.frozen
class Picture:
    """A drawn figure.

    Attributes:
        name: of its file.
        about: what it shows, for people, a sentence or two.
        svg: one element, to stand in a page.
        png: bytes of a file.
    """

    name: str
    about: str
    svg: str
    png: bytes


def pictures(found: Study) -> list[Picture]:
    """Draw all figures that the study has numbers for."""
    return [_picture(found, name, about, draw) for name, about, draw in _wanted(found)]


Draw = Callable[["Figure", Study], None]


def _wanted(found: Study) -> Iterator[tuple[str, str, Draw]]:
    yield (
        "agreement_accuracy",
        "Fidelity beside accuracy. Faint marks are single seeds, full ones means with ± sd; the "
        "dashed line is the teacher's own accuracy.",
        _agreement_accuracy,
    )
    yield (
        "train_test_agreement",
        "Agreement on the images the student was shown, as they were augmented, beside agreement "
        "on the test split. Below the dotted line the student follows its teacher less on new "
        "images than on those it learnt from.",
        _train_test,
    )
    yield (
        "kl_ece",
        "How far the student's probabilities are from the teacher's, and how well they are "
        "calibrated, on the test split; mean ± sd over seeds. The dashed line is the teacher.",
        _kl_ece,
    )
    yield (
        "control",
        "What of the agreement is fidelity: s is the student of t, s' that of t', which is t with "
        "other initial weights. Grey lines join the same seed; the bar is the mean excess ± sd.",
        _control,
    )
    if found.shares:
        yield (
            "start_near",
            "Students that start at share x of the teacher's weights and 1 - x of random ones; "
            "mean ± sd over seeds.",
            _start_near,
        )


@contextmanager
def _drawing(salt: str) -> Iterator[None]:
    import matplotlib

    # equal numbers give equal files, and two figures of a page no equal names
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": salt}):
        yield


def _picture(found: Study, name: str, about: str, draw: Draw) -> Picture:
    from matplotlib.figure import Figure

    with _drawing(name):
        figure = Figure(figsize=(8.4, 4.6), layout="constrained")
        draw(figure, found)
        svg, png = io.StringIO(), io.BytesIO()
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
        figure.savefig(png, format="png", dpi=PIXELS, metadata={"Software": None})
    return Picture(name, about, _element(svg.getvalue()), png.getvalue())


def _element(text: str) -> str:
    """Take the head off an SVG file, and the names that nothing refers to."""
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    return re.sub(r'<g id="[\w.]+">', "<g>", body)


def _look(number: int) -> dict[str, Any]:
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": "none",
    }


def _points(axes: Axes, found: Study, across: tuple[str, str], up: tuple[str, str]) -> None:
    """Draw each policy as points of its seeds and as its mean with spread, in percent."""
    for number, name in enumerate(found.policies):
        xs, ys = (
            [PERCENT * each for each in found.values("policy", name, *way)] for way in (across, up)
        )
        look = _look(number)
        if len(xs) > 1:
            axes.plot(xs, ys, **look, markersize=4.5, alpha=0.35, markeredgewidth=0)
        x, y = (found.spread("policy", name, *way) for way in (across, up))
        assert x is not None and y is not None
        axes.errorbar(
            [PERCENT * x.mean],
            [PERCENT * y.mean],
            xerr=[PERCENT * (x.sd or 0.0)],
            yerr=[PERCENT * (y.sd or 0.0)],
            **look,
            markersize=8,
            elinewidth=1,
            markeredgecolor="white",
            markeredgewidth=0.8,
            label=name,
        )


def _beside(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", title="policy")


def _agreement_accuracy(figure: Figure, found: Study) -> None:
    axes = figure.subplots()
    _points(axes, found, ("test", "top1"), ("test", "agreement"))
    teacher = found.spread("teacher", "teacher", "test", "top1")
    if teacher is not None:
        axes.axvline(PERCENT * teacher.mean, color="#495057", linestyle="--", linewidth=1)
    axes.set_xlabel("student's test accuracy, %")
    axes.set_ylabel("test agreement with the teacher, %")
    axes.set_title("Fidelity and accuracy, by what the student is shown")
    _beside(figure, axes)


def _train_test(figure: Figure, found: Study) -> None:
    axes = figure.subplots()
    _points(axes, found, ("distil", "agreement"), ("test", "agreement"))
    low = min(axes.get_xlim()[0], axes.get_ylim()[0])
    axes.plot([low, PERCENT], [low, PERCENT], color="#495057", linestyle=":", linewidth=1)
    axes.set_xlabel("agreement on the distillation data, %")
    axes.set_ylabel("test agreement, %")
    axes.set_title("Agreement where the student learns, and on new images")
    _beside(figure, axes)


def _kl_ece(figure: Figure, found: Study) -> None:
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
            look = _look(place)
            if len(values) > 1:
                axes.plot(values, [place] * len(values), **look, markersize=4.5, alpha=0.35)
            axes.errorbar([own.mean], [place], xerr=[own.sd or 0.0], **look, markersize=8)
        axes.set_xlim(left=0.0)
        axes.set_xlabel(label)
        axes.grid(visible=False, axis="y")
    teacher = found.spread("teacher", "teacher", "test", "ece")
    if teacher is not None:
        right.axvline(teacher.mean, color="#495057", linestyle="--", linewidth=1)
    left.set_yticks(range(len(names)), names)
    left.invert_yaxis()
    figure.suptitle(
        "Predictive distribution on the test split", x=0.01, ha="left", weight="bold", size=11
    )


def _control(figure: Figure, found: Study) -> None:
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
        left.plot([place] * len(columns[place]), columns[place], **_look(place), alpha=0.35)
        left.errorbar(
            [place],
            [PERCENT * own.mean],
            yerr=[PERCENT * (own.sd or 0.0)],
            **_look(place),
            markersize=9,
            label=title,
        )
    left.set_xticks(range(len(kinds)), [title for title, *_ in kinds])
    left.set_xlim(-0.5, len(kinds) - 0.5)
    left.set_ylabel("test agreement, %")
    left.set_title("Who agrees with whom")
    _excess(right, found)


def _excess(axes: Axes, found: Study) -> None:
    from graphkd.inspect.comparison import spread

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


def _start_near(figure: Figure, found: Study) -> None:
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


def _line(axes: Axes, found: Study, number: int, split: str, key: str, *, factor: float) -> None:
    spreads = [found.spread("near", share_name(each), split, key) for each in found.shares]
    drawn = [(x, one) for x, one in zip(found.shares, spreads, strict=True) if one is not None]
    axes.errorbar(
        [x for x, _ in drawn],
        [factor * one.mean for _, one in drawn],
        yerr=[factor * (one.sd or 0.0) for _, one in drawn],
        **{**_look(number), "linestyle": "-"},
        label=split,
    )
