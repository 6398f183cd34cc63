"""The table of a comparison in words, for a terminal, for Markdown and for a page."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from graphkd.errors import listing
from graphkd.inspect.amount import short
from graphkd.inspect.comparison.data import CONFIDENCE, Comparison, Entry, Spread, spread

ONE_SEED = "one seed: no interval"


def head(found: Comparison) -> tuple[str, ...]:
    """Name the columns; all but the first hold numbers."""
    return (
        "blueprint",
        found.metric.title,
        f"minus {found.baseline}",
        f"{CONFIDENCE:.0%} interval",
        "ahead",
        "steps",
        "all steps",
        "parameters",
    )


def rows(found: Comparison) -> list[tuple[str, ...]]:
    """Write a row for each blueprint."""
    return [_row(found, entry) for entry in found.entries]


def _row(found: Comparison, entry: Entry) -> tuple[str, ...]:
    sizes = (str(entry.steps), str(entry.all_steps), short(entry.parameters))
    if entry.name == found.baseline:
        return (entry.name, score(found, entry), "baseline", "", "", *sizes)
    paired = found.paired(entry)
    mean = found.metric.text(paired.spread.mean, signed=True)
    level = f", {paired.level} level" if paired.level else ""
    ahead = f"{paired.ahead} of {len(found.seeds)}{level}"
    return (entry.name, score(found, entry), mean, interval(found, paired.spread), ahead, *sizes)


def score(found: Comparison, entry: Entry) -> str:
    """Write mean and standard deviation of a blueprint's own measure."""
    own = spread(found.values(entry))
    sd = "" if own.sd is None else f" ± {found.metric.text(own.sd)}"
    return f"{found.metric.text(own.mean)}{sd}"


def interval(found: Comparison, paired: Spread) -> str:
    """Write both ends of an interval; empty where there is none."""
    if paired.low is None or paired.high is None:
        return ""
    low, high = (found.metric.text(each, signed=True) for each in (paired.low, paired.high))
    return f"{low} to {high}"


def caption(found: Comparison) -> str:
    """Say what the numbers are, in a sentence or two."""
    count = len(found.seeds)
    listed = listing(list(map(str, found.seeds)))
    over = f"mean ± sd over seeds {listed}" if count > 1 else f"seed {listed}"
    unit = f" in {found.metric.unit}" if found.metric.unit else ""
    return (
        f"{found.metric.title} of the student on {found.images} test images of {found.dataset}, "
        f"{over}; {found.metric.better} is better. Differences{unit} are taken seed by seed. "
        "Steps are those in which the student learns."
    )


def remarks(found: Comparison) -> list[str]:
    """Say what a reader must know, a sentence or two each."""
    if len(found.seeds) == 1:
        said = [f"{ONE_SEED.capitalize()}."]
    else:
        said = [
            f"Intervals are Student's at {CONFIDENCE:.0%}, over the seeds: they do not tell how "
            "another test split would come out. Each stands for itself."
        ]
    if found.unequal:
        said.append(f"Data or budget differ: {'; '.join(found.unequal)}.")
    if found.made_with:
        said.append(f"Runs were made with {'; '.join(found.made_with)}.")
    if len({entry.parameters for entry in found.entries}) > 1:
        sizes = ", ".join(f"{short(each.parameters)} ({each.name})" for each in found.entries)
        said.append(f"The students differ in parameters: {sizes}.")
    return said


def terminal_table(found: Comparison) -> Group:
    """Make the table for a terminal: without the last two columns it is 80 signs wide or less."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    names = head(found)[:-2]
    for number, name in enumerate(names):
        table.add_column(Text(name), justify="right" if number else "left", no_wrap=number > 0)
    for row in rows(found):
        table.add_row(*map(Text, row[: len(names)]))
    return Group(Text(caption(found)), table, *map(Text, remarks(found)))


def origin_line(found: Comparison) -> str:
    """Say when, on what and with which versions."""
    versions = ", ".join(f"{name} {number}" for name, number in found.origin.versions.items())
    return f"{found.origin.date}, {found.origin.processor}, {versions}."
