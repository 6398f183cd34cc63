"""What stops a run from outside its blueprint, in words: data, memory, losses that break."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

import torch

from graphkd.compile.instructions import Forward, PhasePlan
from graphkd.errors import mistake
from graphkd.graph import vertex
from graphkd.inspect.amount import short
from graphkd.run.guard import Broken
from graphkd.run.record import write_json
from graphkd.run.session import Session
from graphkd.run.unreadable import DataError

BROKEN = "broken.json"
"""What is known of the step whose losses broke."""

_NO_MEMORY = re.compile(r"can't allocate memory|not enough memory|out of memory", re.IGNORECASE)


@contextmanager
def told(session: Session, folder: Path | None) -> Iterator[None]:
    """Say what a user can do about a failure that a user can mend.

    Args:
        session: how far the run has come.
        folder: of the run; None in processes that write nothing.

    Raises:
        BlueprintError: data that cannot be read, losses that are not finite, too little memory.
    """
    blueprint = session.schedule.blueprint
    again = f"; then go on with: graphkd resume {quote(str(folder))}" if folder else ""
    try:
        yield
    except DataError as error:
        place = blueprint.place("data", error.field or "dataset")
        raise mistake(f"data: {error}{again}", place) from error
    except Broken as error:
        where = f"phase '{_plan(session).name}', epoch {session.epoch + 1}, step {session.step}"
        more = ""
        if folder:
            write_broken(folder, session, error)
            more = f"; {folder / BROKEN} has that step's losses and samples"
        hint = "lower train.lr, clip gradients (train.clip_grad: 1.0) or warm up"
        hint = f"{hint} (train.warmup_epochs), or leave such steps out (train.nonfinite: skip)"
        raise mistake(f"{where}: {error}{more}; {hint}", blueprint.place("train")) from error
    except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
        if not isinstance(error, MemoryError) and not _NO_MEMORY.search(str(error)):
            raise
        raise mistake(f"{_memory(session, error)}{again}", blueprint.place("train")) from error


def write_broken(folder: Path, session: Session, error: Broken) -> None:
    """Write down what is known of the step whose losses broke."""
    content = {
        "step": session.step,
        "phase": _plan(session).name,
        "epoch": session.epoch,
        "reason": str(error),
        "broken": list(error.names),
        "losses": error.values,
        "samples": [list(each) for each in error.batches],
    }
    write_json(folder / BROKEN, content)


def _plan(session: Session) -> PhasePlan:
    plans = session.schedule.phases
    return plans[session.phase] if session.phase < len(plans) else session.schedule.evaluation


def _memory(session: Session, error: BaseException) -> str:
    plan = _plan(session)
    weights, activations = estimate(plan)
    reason = (str(error).strip() or "no memory left").splitlines()[0]
    found = re.search(r"[Tt]ried to allocate ([\d.]+ ?\w+)", str(error))
    asked = f" when {found[1]} more were asked for" if found else f" ({reason})"
    device = session.device
    used = ""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        used = f"; {device} has {short(total, 'B')}, of which {short(free, 'B')} are free"
    return (
        f"phase '{plan.name}': out of memory{asked}{used}; the plan expects about "
        f"{short(weights, 'B')} of weights, gradients and optimizer state and "
        f"{short(activations, 'B')} of activations at batch_size {plan.data.batch_size}; lower "
        f"data.batch_size (to {max(1, plan.data.batch_size // 2)}, with train.accumulate: "
        f"{2 * plan.recipe.accumulate} for the same step) or write train.precision: bfloat16"
    )


def estimate(plan: PhasePlan) -> tuple[int, int]:
    """Say what memory a step needs: for weights and what goes with them, and for activations.

    Weights that learn count four times: with their gradient and two numbers of the optimizer.
    Activations are those kept for the backward, or the largest of what records none.
    """
    graph = plan.graph
    weights = sum(
        vertex(graph, name).cost.parameter_bytes * (4 if name in plan.trained else 1)
        for name in graph
    )
    kept, largest = 0, 0
    for each in plan.instructions:
        if isinstance(each, Forward):
            size = vertex(graph, each.node).cost.activation_bytes * plan.data.batch_size
            kept, largest = (kept + size, largest) if each.gradient else (kept, max(largest, size))
    return weights, kept + largest
