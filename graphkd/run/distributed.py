"""The beginning and the end of processes that train together."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from graphkd.errors import BlueprintError
from graphkd.run.loop import Stopped
from graphkd.run.roll_call import call_roll
from graphkd.run.signs import is_first_to_fail
from graphkd.run.together import wait
from graphkd.run.watch import limit_of, patience_of, watching
from graphkd.run.world import World, world_of

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

HEARD = 5.0
"""Seconds that a process waits for the one that failed first to say why."""
_store: Store | None = None
"""Of all that torchrun starts; it stays when a process parts from the others."""
_own: set[str] = set()
"""What this process was told to remember."""


@contextmanager
def joined() -> Iterator[World]:
    """Join the processes that torchrun started, and part from them at the end.

    A process alone, and one that has joined already, does nothing here. Of several that fail, the
    first raises its error; the others leave with status 1 and say nothing.
    """
    world = world_of(os.environ)
    if world.size == 1 or dist.is_initialized():
        yield world
        return
    limit = _limit()
    store = _start(world)
    stop: Stopped | None = None
    try:
        with watching(world, store.clone(), limit):
            try:
                yield world
            except Stopped as error:
                # all of them stop after the same step
                stop = error
            # the first may still write: who stands watch no more would be taken for dead
            wait(world)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        if not is_first_to_fail(store, world):
            time.sleep(HEARD)
            raise SystemExit(1) from error
        raise
    _part()
    if stop:
        raise stop


def alike(error: Exception) -> Exception:
    """Return a mistake that all processes make, of which the first goes on to tell."""
    if not world_of(os.environ).first:
        # torchrun ends all when one ends
        time.sleep(HEARD)
        raise SystemExit(1) from error
    return error


def _limit() -> float:
    try:
        return limit_of(os.environ)
    except BlueprintError as error:
        raise alike(error) from error


def _start(world: World) -> Store:
    """Find each other through a store of our own: see `call_roll`."""
    from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

    global _store
    if _store is None:
        under_agent = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        base = TCPStore(
            os.environ["MASTER_ADDR"],
            int(os.environ["MASTER_PORT"]),
            is_master=world.first and not under_agent,
            wait_for_workers=False,
        )
        _store = PrefixStore("graphkd", base)
    store = PrefixStore(call_roll(_store, world), _store)
    on_gpu = torch.cuda.is_available() and dist.is_nccl_available()
    # what is no tensor of a GPU goes through gloo, and so does not wait for one
    backend = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
    if on_gpu and world.local < torch.cuda.device_count():
        torch.cuda.set_device(world.local)
    dist.init_process_group(
        backend,
        store=store,
        rank=world.rank,
        world_size=world.size,
        timeout=patience_of(os.environ),
    )
    return store


def _part() -> None:
    """Leave nothing that holds on to the group."""
    gc.collect()
    dist.destroy_process_group()


def remember(text: str) -> None:
    """Keep a text for the processes that torchrun starts in the place of these, should they die."""
    if _store is not None:
        _store.set(text, "yes")
        _own.add(text)


def remembers(text: str) -> bool:
    """Say whether a process before a restart told to `remember` the text."""
    return _store is not None and text not in _own and bool(_store.check([text]))
