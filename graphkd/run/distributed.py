"""The beginning and the end of processes that train together."""

from __future__ import annotations

import gc
import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from graphkd.run.loop import Stopped
from graphkd.run.together import wait
from graphkd.run.world import World, world_of

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

HEARD = 5.0
"""Seconds that a process waits for the one that failed first to say why."""
_FAILED = "failed"
_joins = itertools.count()
_store: Store | None = None
"""Of all attempts; it stays when a process parts from the others."""


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
    store = _start(world)
    try:
        yield world
    except Stopped:
        # all of them stop after the same step
        _stop(world)
        raise
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        if not _is_first_to_fail(store, world):
            time.sleep(HEARD)
            raise SystemExit(1) from error
        raise
    _stop(world)


def _start(world: World) -> Store:
    """Find each other through a store of our own: see `_attempt`."""
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
    # a process may join more than once
    store = PrefixStore(f"{_attempt()}/{next(_joins)}", _store)
    on_gpu = torch.cuda.is_available() and dist.is_nccl_available()
    # what is no tensor of a GPU goes through gloo, and so does not wait for one
    backend = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
    if on_gpu and world.local < torch.cuda.device_count():
        torch.cuda.set_device(world.local)
    dist.init_process_group(backend, store=store, rank=world.rank, world_size=world.size)
    return store


def _attempt() -> int:
    """Count the restarts by torchrun.

    Without it in the keys of the store, a restarted process may read the addresses of processes
    that are gone.
    """
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def _stop(world: World) -> None:
    """Part at the same time, with nothing left that holds on to the group."""
    wait(world)
    gc.collect()
    dist.destroy_process_group()


def _is_first_to_fail(store: Store, world: World) -> bool:
    try:
        # the value that is there afterwards
        first: bytes = store.compare_set(_FAILED, "", str(world.rank))
    except RuntimeError:
        # the store went with the process that failed first
        return False
    return first == str(world.rank).encode()


def remember(text: str) -> None:
    """Keep a text for the processes that torchrun starts in the place of these, should they die."""
    if _store is not None:
        _store.set(text, "yes")


def remembers(text: str) -> bool:
    """Say whether a process before a restart told to `remember` the text."""
    return _store is not None and _attempt() > 0 and bool(_store.check([text]))
