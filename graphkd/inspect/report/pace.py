"""How far a run has come, phase by phase, and how long the rest will take."""

from __future__ import annotations

import attrs

from graphkd.inspect.report.curves import bands, phases_of
from graphkd.inspect.report.files import Record, RunFiles, number


@attrs.frozen
class Pace:
    """One phase on its way.

    Attributes:
        name: of the phase.
        first: steps before it.
        done: its steps that are known to be done.
        epoch: number of the epoch that was heard of last, from 1; 0 before the first record.
        epochs: how many it takes; 0 where that is not known, or where it only fits.
        steps: how many it takes; None where that is not known yet.
        per_epoch: steps of an epoch; None before the first validation.
    """

    name: str
    first: int
    done: int
    epoch: int
    epochs: int
    steps: int | None
    per_epoch: float | None

    def epochs_at(self, record: Record) -> float:
        """Say how many epochs of the phase lie before the step of a record."""
        if self.per_epoch:
            return max(int(record["step"]) - self.first - 1, 0) / self.per_epoch
        return number(record.get("epoch")) or 0.0


def paces_of(run: RunFiles) -> list[Pace]:
    """Return the phases in order: those that have begun, then those to come."""
    plans = {str(each.get("name", "")): each for each in phases_of(run.prepared)}
    seen = {each.name: each for each in bands(run.training)}
    found = []
    for name in dict.fromkeys([*plans, *seen]):
        plan, band = plans.get(name, {}), seen.get(name)
        own = [each for each in run.training if each["phase"] == name]
        first = band.first if band else 0
        per_epoch = _per_epoch(own, first)
        epochs, steps = int(number(plan.get("epochs")) or 0), int(number(plan.get("steps")) or 0)
        known = steps or (round(epochs * per_epoch) if per_epoch else None)
        found.append(
            Pace(
                name=name,
                first=first,
                done=band.last - band.first if band else 0,
                epoch=int(number(own[-1].get("epoch")) or 0) + 1 if own else 0,
                epochs=0 if steps else epochs,
                steps=known if steps or epochs else 0,
                per_epoch=per_epoch,
            )
        )
    return found


def _per_epoch(records: list[Record], first: int) -> float | None:
    """Count the steps of an epoch, which validations come after."""
    for each in reversed(records):
        epoch = number(each.get("epoch"))
        if epoch is not None and any(key.startswith("validation/") for key in each):
            return (int(each["step"]) - first) / (epoch + 1)
    return None


def share_done(paces: list[Pace], *, finished: bool) -> float | None:
    """Say which share of the steps of all phases is done; None where that is not known.

    A phase that has not begun is taken to have epochs like those of the last that has.
    """
    if finished:
        return 1.0
    total = done = 0.0
    like: float | None = None
    for each in paces:
        like = each.per_epoch or like
        steps = each.steps if each.steps is not None else (like and each.epochs * like)
        if steps is None:
            return None
        total += max(steps, each.done)
        done += each.done
    return done / total if total else None


def seconds_left(run: RunFiles, paces: list[Pace]) -> float | None:
    """Estimate how long the rest of a run takes, from the pace of its newest records."""
    share = share_done(paces, finished=False)
    recent = [
        (int(each["step"]), seconds)
        for each in run.speed[-50:]
        if (seconds := number(each.get("seconds"))) is not None
    ]
    done = sum(each.done for each in paces)
    if not share or len(recent) < 2 or recent[-1][0] <= recent[0][0]:
        return None
    per_step = float(recent[-1][1] - recent[0][1]) / (recent[-1][0] - recent[0][0])
    return max(done / share - done, 0.0) * per_step


def clock(seconds: float) -> str:
    """Write a time: `48 s`, `3 min 05 s`, `2 h 07 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
