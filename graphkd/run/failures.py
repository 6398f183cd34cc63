"""What stops a run from outside its blueprint, in words: data, memory, losses that break."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote
from typing import Any

import torch

from graphkd.blueprint import Blueprint
from graphkd.compile.instructions import Forward
from graphkd.compile.plan import PhasePlan
from graphkd.errors import BlueprintError, mistake
from graphkd.graph import vertex
from graphkd.inspect.amount import short
from graphkd.run.captured import Uncapturable
from graphkd.run.folder import FAILURE, run_of
from graphkd.run.guard import Broken, Policy
from graphkd.run.loop import Stopped
from graphkd.run.record import write_json
from graphkd.run.session import Session
from graphkd.run.unreadable import DataError

_NO_MEMORY = re.compile(r"can't allocate memory|not enough memory|out of memory", re.IGNORECASE)
_ONE_VALUE = "Expected more than 1 value per channel when training"
_LOST = re.compile(r"/gloo/.*(reset|closed) by peer", re.DOTALL)


@contextmanager
def told(session: Session, folder: Path | None) -> Iterator[None]:
    """Say what a user can do about a failure that a user can mend, and note any failure.

    A stop that the user asked for is none.

    Args:
        session: how far the run has come.
        folder: of its seed; None where nothing is written. Of several processes that fail, the
            first says why: the others have lost it.

    Raises:
        BlueprintError: data that cannot be read, losses that are not finite, too little memory.
    """
    try:
        try:
            yield
        except Exception as error:
            made = _in_words(session, folder, error)
            if made is None:
                raise
            raise made from error
    except Stopped:
        raise
    except Exception as error:
        if folder and not (folder / FAILURE).exists():
            write_failure(folder, session, error)
        raise


def _in_words(session: Session, folder: Path | None, error: Exception) -> BlueprintError | None:
    """Say what can be done; None where that is not known."""
    blueprint = session.schedule.blueprint
    home = run_of(folder, blueprint) if folder else None
    again = f"; then go on with: graphkd resume {quote(str(home))}" if home else ""
    match error:
        case DataError():
            return _of_data(blueprint, f"{error}{again}", error)
        case Broken():
            where = f"phase '{_plan(session).name}', epoch {session.epoch + 1}, step {session.step}"
            more = f"; {folder / FAILURE} has that step's losses and samples" if folder else ""
            hint = _of_losses(error, _plan(session).recipe.nonfinite)
            return mistake(f"{where}: {error}{more}; {hint}", blueprint.place("train"))
        case Uncapturable():
            text = (
                f"phase '{_plan(session).name}': a step cannot be captured: {error}; drop capture"
            )
            return mistake(text, blueprint.place("train", "capture"))
    if _ONE_VALUE in str(error):
        text = f"phase '{_plan(session).name}': batch norm has no variance in a batch of one sample"
        text = f"{text} ({str(error).splitlines()[-1]}); write a data.batch_size that leaves two or"
        return mistake(f"{text} more in the last batch", blueprint.place("data"))
    if _LOST.search(str(error)):
        where = f"phase '{_plan(session).name}', after step {session.step}"
        return mistake(f"{where}: another process has ended: see why{again}")
    if isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)):
        return mistake(f"{_memory(session, error)}{again}", blueprint.place("train"))
    return None


def _of_losses(error: Broken, policy: Policy) -> str:
    """Say what can be done about losses that broke; what is done already is not."""
    hint = "lower train.lr, clip gradients (train.clip_grad: 1.0) or warm up (train.warmup_epochs)"
    if error.exploded:
        return f"{hint}, or let it be (train.nonfinite: ignore)"
    if policy == "stop":
        return f"{hint}, or leave such steps out (train.nonfinite: skip)"
    return hint


@contextmanager
def told_of_data(blueprint: Blueprint) -> Iterator[None]:
    """Say which image cannot be read, where no run has begun or it has ended.

    Raises:
        BlueprintError: data that cannot be read.
    """
    try:
        yield
    except DataError as error:
        raise _of_data(blueprint, str(error), error) from error


def _of_data(blueprint: Blueprint, text: str, error: DataError) -> BlueprintError:
    return mistake(f"data: {text}", blueprint.place("data", error.field or "dataset"))


def write_failure(folder: Path, session: Session, error: Exception) -> None:
    """Note why a run ended, and of losses that broke what is known of their step."""
    reason = str(error).strip() or type(error).__name__
    content: dict[str, Any] = {
        "step": session.step,
        "phase": _plan(session).name,
        "epoch": session.epoch + 1,
        "reason": reason,
    }
    if isinstance(error.__cause__, Broken):
        broken = error.__cause__
        content["broken"] = list(broken.names)
        content["losses"] = broken.values
        content["samples"] = [list(each) for each in broken.batches]
    # a full disk must not hide what it made fail
    with suppress(OSError, BlueprintError):
        write_json(folder / FAILURE, content)


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
        f"{2 * plan.recipe.accumulate} for the same step), write train.precision: bfloat16, or "
        "checkpoint: true at what learns"
    )


def estimate(plan: PhasePlan) -> tuple[int, int]:
    """Say what memory a step needs: for weights and what goes with them, and for activations.

    Weights that learn count four times: with their gradient and two numbers of the optimizer.
    Activations are those kept for the backward, and the largest of what keeps none.
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
            stays = each.gradient and not each.placement.checkpointed
            kept, largest = (kept + size, largest) if stays else (kept, max(largest, size))
    return weights, kept + largest
