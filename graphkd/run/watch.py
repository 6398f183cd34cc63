"""What a process says of itself while others may wait for it, and how long they do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from graphkd.errors import mistake
from graphkd.run.signs import VARIABLE, Watch
from graphkd.run.world import World

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

DEFAULT = 600.0
"""Seconds."""
PATIENCE = 10.0
"""Times that limit, after which PyTorch gives up whatever it waits for."""
_watch: Watch | None = None


def limit_of(environment: Mapping[str, str]) -> float:
    """Read how many seconds processes wait for each other.

    Raises:
        BlueprintError: it is no number above 0.
    """
    text = environment.get(VARIABLE, "") or str(DEFAULT)
    try:
        limit = float(text)
    except ValueError:
        limit = math.nan
    if not 0 < limit < math.inf:
        raise mistake(f"{VARIABLE}={text}: is no number of seconds above 0; write one, like 600")
    return limit


def patience_of(environment: Mapping[str, str]) -> timedelta:
    """Say after which time PyTorch gives up, which knows not who takes long and who hangs."""
    return timedelta(seconds=PATIENCE * limit_of(environment))


@contextmanager
def watching(world: World, store: Store, limit: float) -> Iterator[None]:
    """Watch the other processes."""
    global _watch
    _watch = Watch(world, store, limit)
    try:
        yield
    finally:
        _watch.close()
        _watch = None


def meet() -> None:
    """Tell that this process has come to a place where it may wait for all others."""
    if _watch is not None:
        _watch.say(meeting=True)


def at(place: str) -> None:
    """Tell what this process does next; all processes do it, equally often."""
    if _watch is not None:
        _watch.say(meeting=True, place=place, long="")


def come_on() -> None:
    """Tell that this process is at work, where others may be done with theirs."""
    if _watch is not None:
        _watch.say(meeting=False)


@contextmanager
def taking_long(what: str) -> Iterator[None]:
    """Let the others wait as long as it takes, and this process lives."""
    if _watch is None:
        yield
        return
    before = _watch.long
    _watch.say(meeting=False, long=what)
    try:
        yield
    finally:
        _watch.say(meeting=False, long=before)
