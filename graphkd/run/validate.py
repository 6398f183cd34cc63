"""Validation between epochs: what learns is measured, and the best weights are kept."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from graphkd.compile.plan import PhasePlan, Schedule
from graphkd.graph import above, borrows, vertex
from graphkd.run.copies import copied
from graphkd.run.data import Batches
from graphkd.run.evaluate import Evaluation, evaluate
from graphkd.run.session import Best, Session, moving_nodes
from graphkd.run.world import ALONE, World


@attrs.frozen
class Validation:
    """What was measured on the validation split.

    Attributes:
        values: every measure of the models that learn, and the probes, as records name them.
        scores: top-1 accuracy of each model that learns.
        whole: of all models, those that are frozen included.
    """

    values: dict[str, float]
    scores: dict[str, float]
    whole: Evaluation


def validate(
    session: Session, plan: PhasePlan, batches: Batches, *, world: World = ALONE
) -> Validation:
    """Measure what learns in a phase, and keep the weights of students that did best so far.

    Leaves the models in evaluation mode.

    Args:
        session: its `best` is brought up to date.
        plan: of the phase.
        batches: of the validation split.
        world: the processes, which all keep the same weights.
    """
    found = evaluate(session.schedule, session.parts, batches, device=session.device, world=world)
    learning = {name: found.models[name] for name in plan.trained if name in found.models}
    averages = _validate_averages(session, plan, batches, world)
    values = {
        f"validation/{name}/{key}": value
        for name, report in learning.items()
        for key, value in report.items()
    }
    values |= {f"validation/{name}": value for name, value in found.probes.items()}
    values |= {f"validation/{name}/ema/top1": score for name, score in averages.items()}
    scores = {name: report["top1"] for name, report in learning.items()}
    _keep_best(session, scores, averages)
    return Validation(values, scores, found)


def _validate_averages(
    session: Session, plan: PhasePlan, batches: Batches, world: World
) -> dict[str, float]:
    averaged = {
        name: each.module for name, each in session.averages.items() if name in plan.trained
    }
    if not averaged:
        return {}
    parts = {**session.parts, **averaged}
    found = evaluate(
        session.schedule, parts, batches, device=session.device, only=averaged, world=world
    )
    return {name: report["top1"] for name, report in found.models.items()}


def students(schedule: Schedule) -> frozenset[str]:
    """Name the models that are measured with their best weights in the end.

    Besides those that are handed back, these are all students: one that is there for comparison,
    trained alone, gets the same chance.
    """
    graph = schedule.graph
    others = {
        name for name in graph.nodes if getattr(vertex(graph, name).component, "delivered", False)
    }
    return frozenset(others.union(schedule.deliver))


def forget_best(session: Session, plan: PhasePlan) -> None:
    """Begin anew for what learns in a phase: weights of earlier phases are no candidates.

    Args:
        session: its optimizer is that of the phase.
        plan: of the phase.
    """
    assert session.optimizer is not None
    learning = {each for group in session.optimizer.param_groups for each in group["params"]}
    for name, best in list(session.best.items()):
        if name in plan.trained or not learning.isdisjoint(session.parts[name].parameters()):
            del session.best[name]
        else:
            kept = best.weights.keys() - set(plan.trained)
            best.weights = {each: best.weights[each] for each in best.weights if each in kept}


def _keep_best(
    session: Session, scores: Mapping[str, float], averages: Mapping[str, float]
) -> None:
    """Take down the weights of each student that did better than ever, or its average did."""
    scored = students(session.schedule) & set(scores)
    graph = session.schedule.graph
    # what lends to another student is kept as it was when that one did best
    scored -= {each for name in scored for each in above(graph, [name], "weights") - {name}}
    for name in sorted(scored):
        score, averaged = scores[name], averages.get(name, -1.0)
        if name in session.best and max(score, averaged) <= session.best[name].score:
            continue
        averaging = session.averages if averaged > score else {}
        parts = {
            each: averaging[each].module if each in averaging else session.parts[each]
            # the student last: what it shares is as it was in what scored
            for each in (*_companions(session.schedule, name, others=scored - {name}), name)
        }
        # what they share is kept once
        weights = copied({each: part.state_dict() for each, part in parts.items()})
        session.best[name] = Best(max(score, averaged), session.step, weights)


def _companions(schedule: Schedule, name: str, *, others: frozenset[str]) -> list[str]:
    """Name the moving nodes that share modules with a student, other students left out."""
    graph = schedule.graph
    lent = above(graph, [name], "weights")
    found = {
        each for each in graph.nodes if each in lent or name in above(graph, [each], "weights")
    }
    moving = moving_nodes(schedule)
    return [
        each
        for each in graph.nodes
        if each in found & moving - others - {name} and not borrows(graph, each)
    ]
