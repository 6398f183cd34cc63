"""Evaluate all models and probes of a blueprint on one split, each sample once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import attrs
import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from graphkd.compile.instructions import Measure
from graphkd.compile.phases import alive_losses, knowledge_sources, learners, phases_of
from graphkd.compile.plan import Schedule
from graphkd.graph import vertex
from graphkd.run import metrics
from graphkd.run.data import Batches
from graphkd.run.executor import PhaseModule
from graphkd.run.sharding import in_step
from graphkd.run.together import first_does, gather
from graphkd.run.unreadable import DataError
from graphkd.run.watch import at, come_on
from graphkd.run.world import ALONE, World

Report = dict[str, dict[str, float]]


@attrs.frozen
class Classes:
    """How well single classes are recognised on one split.

    Attributes:
        counts: samples of each class.
        models: for each model the accuracy on each class; None for one without samples.
    """

    counts: list[int]
    models: dict[str, list[float | None]]


@attrs.frozen
class Evaluation:
    """What was measured on one split.

    Attributes:
        models: for each model its measures; `agreement/NAME`, `predictive_kl/NAME` and `gap/NAME`
            compare it with the model NAME that teaches it; the gap is NAME's top-1 minus its own.
        probes: the mean of each probe.
        classes: class by class; None where only the results were kept.
    """

    models: Report
    probes: dict[str, float]
    classes: Classes | None = attrs.field(default=None, eq=False)

    def data(self) -> dict[str, Any]:
        """Return the numbers that results hold, as plain data."""
        return {"models": self.models, "probes": self.probes}


def guides(schedule: Schedule) -> dict[str, tuple[str, ...]]:
    """Name for each model the models that teach it, in the order of the flows."""
    found: dict[str, dict[str, None]] = {}
    graph = schedule.graph
    for phase in phases_of(schedule.blueprint):
        for loss in alive_losses(graph, phase):
            for learner in learners(graph, loss, phase):
                for source in sorted(knowledge_sources(graph, loss) - {learner}):
                    found.setdefault(learner, {})[source] = None
    return {learner: tuple(sources) for learner, sources in found.items()}


@torch.no_grad()
def evaluate(
    schedule: Schedule,
    parts: Mapping[str, Any],
    batches: Batches,
    *,
    device: torch.device,
    only: Iterable[str] | None = None,
    world: World = ALONE,
) -> Evaluation:
    """Run every model on every batch, and measure.

    Args:
        schedule: what was compiled.
        parts: the modules.
        batches: of one split, without augmentation, labels included.
        device: where the parts are.
        only: measure these models alone, and no probes.
        world: the processes, each with batches of its own; all get what all have measured.
    """
    module = PhaseModule(schedule.evaluation, parts)
    module.eval()
    try:
        return _measure(schedule, module, batches, device, only, world)
    finally:
        module.close()


def _measure(
    schedule: Schedule,
    module: PhaseModule,
    batches: Batches,
    device: torch.device,
    only: Iterable[str] | None,
    world: World,
) -> Evaluation:
    plan = schedule.evaluation
    probes = [each.node for each in plan.instructions if isinstance(each, Measure)]
    names = {name: logits_of(schedule, name) for name in models_of(schedule)}
    if only is not None:
        names = {name: value for name, value in names.items() if name in set(only)}
        probes = []
    if world.size > 1:
        at("measuring models")
    seen: list[_Seen] = []
    for batch, counts in _turns(module, batches, world):
        come_on()
        moved = {key: value.to(device) for key, value in batch.items()}
        found = module.values(moved, [*dict.fromkeys(names.values()), *probes])
        if not counts:
            continue
        logits = {name: found[value].float().cpu() for name, value in names.items()}
        measured = {probe: float(found[probe]) for probe in probes}
        seen.append(_Seen(logits, measured, batch["label"]))
    every = gather(world, seen)
    return first_does(world, lambda: _evaluation(schedule, _in_order(every)))


def _turns(
    module: PhaseModule, batches: Batches, world: World
) -> Iterator[tuple[Mapping[str, Tensor], bool]]:
    """Give the batches of this process, and whether they count: see `in_step`."""
    if any(isinstance(each, DTensor) for each in module.parameters()):
        return in_step(batches.epoch(0), world)
    return ((batch, True) for batch in batches.epoch(0))


@attrs.frozen(eq=False)
class _Seen:
    """What one batch gave: logits of each model, the value of each probe, and the labels."""

    logits: dict[str, Tensor]
    probes: dict[str, float]
    labels: Tensor


def _in_order(every: Sequence[Sequence[_Seen]]) -> list[_Seen]:
    """Put the batches that processes took in turn back into their order."""
    rounds = zip_longest(*every)
    return [each for turn in rounds for each in turn if each is not None]


def _evaluation(schedule: Schedule, seen: Sequence[_Seen]) -> Evaluation:
    if not seen:
        raise DataError("no image can be read that models are measured on")
    truth = torch.cat([each.labels for each in seen])
    one = seen[0]
    joined = {name: torch.cat([each.logits[name] for each in seen]) for name in one.logits}
    sums = {
        probe: sum(each.probes[probe] * len(each.labels) for each in seen) for probe in one.probes
    }
    return Evaluation(
        models=_report(schedule, joined, truth),
        probes={probe: total / len(truth) for probe, total in sums.items()},
        classes=_classes(joined, truth, count=schedule.graph.graph["data_spec"].classes),
    )


def _classes(logits: Mapping[str, Tensor], labels: Tensor, *, count: int) -> Classes:
    counts = labels.bincount(minlength=count).tolist()
    models = {}
    for name, each in logits.items():
        right = labels[each.argmax(dim=1) == labels].bincount(minlength=count).tolist()
        models[name] = [hit / of if of else None for hit, of in zip(right, counts, strict=True)]
    return Classes(counts, models)


def models_of(schedule: Schedule) -> list[str]:
    """Name the models whose logits can be compared with the labels."""
    spec = schedule.graph.graph["data_spec"]
    found = []
    for name in schedule.evaluation.graph.graph["sinks"]:
        each = vertex(schedule.graph, name)
        if each.kind != "model":
            continue
        socket = each.taps.get("logits")
        if socket is not None and socket.channels == spec.classes:
            found.append(name)
    return found


def logits_of(schedule: Schedule, name: str) -> str:
    """Name the value that holds a model's logits in the evaluation."""
    graph = schedule.evaluation.graph
    owner = vertex(graph, name).same_as or name
    return f"{owner}.logits"


def _report(schedule: Schedule, logits: Mapping[str, Tensor], labels: Tensor) -> Report:
    report = {name: metrics.quality(each, labels) for name, each in logits.items()}
    for name, sources in guides(schedule).items():
        for source in sources:
            if name in logits and source in logits:
                pair = (logits[name], logits[source])
                report[name][f"agreement/{source}"] = metrics.agreement(*pair)
                report[name][f"predictive_kl/{source}"] = metrics.predictive_kl(*pair)
                report[name][f"gap/{source}"] = report[source]["top1"] - report[name]["top1"]
    return report
