"""The tables of a fidelity study in words, for a terminal and for a page."""

from __future__ import annotations

import attrs

from graphkd.errors import listing
from graphkd.inspect.amount import short
from graphkd.inspect.comparison.data import Spread, spread
from graphkd.inspect.study.data import MEASURES, Study, share_name

Line = tuple[str, ...]


@attrs.frozen
class Grid:
    """A table.

    Attributes:
        title: what it tells.
        about: how to read it, a sentence or two.
        head: names of the columns; all but the first hold numbers.
        lines: the rows.
    """

    title: str
    about: str
    head: Line
    lines: tuple[Line, ...]


def cell(own: Spread | None, key: str) -> str:
    """Write mean and standard deviation of a measure as it is shown; empty where there is none."""
    if own is None:
        return ""
    metric = MEASURES.get(key)
    if metric is None:
        return f"{own.mean:.3f}"
    sd = f" ± {metric.text(own.sd)}" if own.sd is not None else ""
    return f"{metric.text(own.mean)}{sd}"


def grids(found: Study) -> list[Grid]:
    """Make all tables that the study has numbers for."""
    made = [_teachers(found), _policies(found), _control(found)]
    if found.shares:
        made += [_near(found), _stages(found)]
    return made


def _teachers(found: Study) -> Grid:
    keys = ("top1", "nll", "ece", "other_agreement")
    lines = [
        (split, *(cell(found.spread("teacher", "teacher", split, key), key) for key in keys))
        for split in ("train", "test")
    ]
    head = ("split", *(MEASURES[key].title for key in keys[:-1]), "agrees with t' %")
    about = (
        "The teacher t on the images that it learnt from and on the test split; t' is another "
        "teacher that differs in its initial weights alone."
    )
    return Grid("Teachers", about, head, tuple(lines))


def _policies(found: Study) -> Grid:
    ways = (
        ("test", "agreement"),
        ("distil", "agreement"),
        ("train", "agreement"),
        ("test", "predictive_kl"),
        ("distil", "predictive_kl"),
        ("test", "top1"),
        ("test", "nll"),
        ("test", "ece"),
        ("test", "train_loss"),
    )
    lines = [
        (name, *(cell(found.spread("policy", name, *way), way[1]) for way in ways))
        for name in found.policies
    ]
    head = ["policy"]
    for split, key in ways:
        named = MEASURES[key].title
        head.append(named if key == "train_loss" else f"{split} {named}")
    about = (
        "Students by what they are shown. Agreement is how often student and teacher find the same "
        "class most likely, KL that of the student's probabilities from the teacher's. 'train' are "
        "the images that the teacher learnt from, 'distil' what the student was shown, augmented "
        "and mixed."
    )
    return Grid("Distillation data", about, tuple(head), tuple(lines))


def _control(found: Study) -> Grid:
    first = found.first
    pairs = (
        ("t and s", "policy", first, "agreement"),
        ("t and s'", "control", "control", "other_agreement"),
        ("t' and s'", "control", "control", "agreement"),
        ("t' and s", "policy", first, "other_agreement"),
        ("t and t'", "teacher", "teacher", "other_agreement"),
    )
    lines = [
        (title, *(cell(found.spread(part, name, s, key), key) for s in ("train", "test")))
        for title, part, name, key in pairs
    ]
    both = [found.excess(split) for split in ("train", "test")]
    excess = [cell(spread(each), "agreement") if each else "" for each in both]
    about = (
        f"s is the student of t, s' that of t', both by the policy {first}, with the same initial "
        "weights and images. Two good models agree often without having anything to do with each "
        "other; only the excess of (t, s) over (t, s') is fidelity."
    )
    head = ("pair", "train agreement %", "test agreement %")
    return Grid("Control student", about, head, (*lines, ("excess, points", *excess)))


def _near(found: Study) -> Grid:
    ways = (
        ("test", "lr"),
        ("test", "train_loss"),
        ("train", "agreement"),
        ("test", "agreement"),
        ("train", "predictive_kl"),
        ("test", "predictive_kl"),
        ("test", "top1"),
    )
    lines = []
    for share in found.shares:
        name = share_name(share)
        cells = [
            f"{own.mean:.2g}"
            if key == "lr" and (own := found.spread("near", name, split, key))
            else cell(found.spread("near", name, split, key), key)
            for split, key in ways
        ]
        lines.append((name, *cells))
    head = ["share"]
    for split, key in ways:
        named = MEASURES[key].title
        head.append(named if key in ("lr", "train_loss") else f"{split} {named}")
    about = (
        "Students that start at share x of the teacher's weights and 1 - x of random ones, with "
        "the learning rate (1 - x) lr and running statistics measured anew."
    )
    return Grid("Start near the teacher", about, tuple(head), tuple(lines))


def _stages(found: Study) -> Grid:
    keys = sorted({key for row in found.rows for key in row.values if key.startswith("cka_")})
    kinds = [("policy", name, name) for name in found.policies]
    kinds += [("control", "control", "control, with t'")]
    kinds += [("near", share_name(each), f"near {share_name(each)}") for each in found.shares]
    lines = [
        (title, *(cell(found.spread(part, name, "test", key), key) for key in keys))
        for part, name, title in kinds
    ]
    head = ("student", *(key.removeprefix("cka_") for key in keys))
    about = (
        "Centred kernel alignment of each stage of the student with that of its teacher over the "
        "test split, averaged over places and seeds; 1 for stages that are equal but for a "
        "rotation and a factor."
    )
    return Grid("Alike inside", about, head, tuple(lines))


def caption(found: Study) -> str:
    """Say what the numbers are, in a sentence or two."""
    seeds = listing([str(each) for each in found.seeds])
    over = f"mean ± sd over seeds {seeds}" if len(found.seeds) > 1 else f"seed {seeds}"
    steps = sorted({int(r.values["steps"]) for r in found.rows if "steps" in r.values})
    span = f"{steps[0]}" if len(steps) == 1 else f"{steps[0]} to {steps[-1]}" if steps else "?"
    return (
        f"{found.blueprint} on {found.dataset}: teachers of {found.images['train']} images, "
        f"students of {short(found.parameters)} parameters and {span} steps, measured with their "
        f"last weights on {found.images['test']} test images; {over}."
    )
