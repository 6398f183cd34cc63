"""How processes that start together find out who belongs to them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING
from uuid import uuid4

from graphkd.run.world import World

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

PATIENCE = 600.0
"""Seconds in which all processes must have come."""
_PAUSE = 0.1


def call_roll(store: Store, world: World, *, patience: float = PATIENCE) -> str:
    """Agree on a name that nothing before had.

    When processes die, torchrun starts all of them anew, does not tell each of them that it did,
    and keeps what the dead have left in the store. So the first process lists who is here until all
    that are listed say that they are alive.

    Args:
        store: of all processes, those before included.
        world: the processes, all of which call this.
        patience: how many seconds they have.

    Raises:
        RuntimeError: some have not come.
    """
    own = uuid4().hex
    store.set(f"here {world.rank}", own)
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = _name_by_first(store, world) if world.first else _name_by_other(store, world, own)
        if found:
            return found
        time.sleep(_PAUSE)
    missing = [rank for rank in range(world.size) if not store.check([f"here {rank}"])]
    names = ", ".join(map(str, missing)) or "some"
    raise RuntimeError(f"of {world.size} processes {names} did not come in {patience:g} s")


def _name_by_first(store: Store, world: World) -> str:
    ranks = range(world.size)
    if not store.check([f"here {rank}" for rank in ranks]):
        return ""
    listed = [store.get(f"here {rank}").decode() for rank in ranks]
    text = json.dumps(listed)
    store.set("listed", text)
    for rank in ranks[1:]:
        key = f"alive {rank}"
        if not store.check([key]) or store.get(key).decode() != text:
            return ""
    store.set(f"complete {listed[0]}", text)
    return listed[0]


def _name_by_other(store: Store, world: World, own: str) -> str:
    if not store.check(["listed"]):
        return ""
    text = store.get("listed").decode()
    listed = json.loads(text)
    if len(listed) != world.size or listed[world.rank] != own:
        return ""
    store.set(f"alive {world.rank}", text)
    key = f"complete {listed[0]}"
    complete = store.check([key]) and store.get(key).decode() == text
    return listed[0] if complete else ""
