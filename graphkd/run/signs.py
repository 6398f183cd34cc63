"""Signs that the processes of a run give each other, by which one that hangs is found."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import attrs

from graphkd.run.world import World

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

VARIABLE = "GRAPHKD_TIMEOUT"
"""In the environment: how many seconds the processes of a run wait for one of them."""
_FAILED = "failed"


@attrs.frozen
class State:
    """What the main thread of a process does.

    Attributes:
        count: meetings of all processes that it has come to.
        place: what it does.
        long: what of that may take long; empty for nothing.
    """

    count: int = 0
    place: str = "getting ready"
    long: str = ""


@attrs.frozen
class Sign:
    """What a process tells of itself again and again.

    Attributes:
        beat: number of the sign.
        still: seconds since the state changed, without times in which the process was halted.
        state: of its main thread.
    """

    beat: int = 0
    still: float = 0.0
    state: State = State()


class Watch:
    """A thread that gives signs of this process, and looks at those of others when it stands still.

    A process that gives no sign, or that does not come on without saying that it takes long, ends
    all: this process says so, and leaves with status 1 whatever its main thread does.
    """

    def __init__(self, world: World, store: Store, limit: float) -> None:
        """Start the thread.

        Args:
            world: the processes.
            store: of their own, which this thread alone uses.
            limit: how many seconds they wait.
        """
        self._world, self._store, self._limit = world, store, limit
        self._period = min(max(limit / 20, 0.02), 5.0)
        self._state = State(long="getting ready")
        self._still = 0.0
        self._beats: dict[int, int] = {}
        self._silent: dict[int, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._over.set()
        self._thread.join(self._limit)

    @property
    def long(self) -> str:
        """What of the work of the main thread may take long; empty for nothing."""
        return self._state.long

    def say(self, *, meeting: bool, **changes: str) -> None:
        """Say what the main thread does now, and whether it has come to another meeting."""
        now = self._state
        self._state = attrs.evolve(now, count=now.count + meeting, **changes)

    def _run(self) -> None:
        before, beat = None, 0
        while not self._over.wait(self._period):
            beat += 1
            now = self._state
            # not by the clock: who was halted with all others has not waited
            self._still = self._still + self._period if now is before else 0.0
            before = now
            sign = [beat, self._still, *attrs.astuple(now)]
            try:
                self._store.set(f"sign {self._world.rank}", json.dumps(sign))
                found = self._look(now) if self._still > self._limit / 2 else ""
            except RuntimeError:
                # the store is gone, and with it a process: the main thread learns of it too
                return
            if found:
                self._leave(found)

    def _look(self, own: State) -> str:
        """Say who does not answer; empty as long as there is hope."""
        signs = self._signs()
        if signs is None:
            return f"process 0, or the torchrun of its machine, {self._waited('is silent')}"
        for rank, sign in signs.items():
            same = self._beats.get(rank) == sign.beat
            self._silent[rank] = self._silent.get(rank, 0.0) + self._period if same else 0.0
            self._beats[rank] = sign.beat
        if self._still <= self._limit:
            return ""
        for rank, sign in signs.items():
            if self._silent[rank] > self._limit / 4:
                return self._said(rank, sign, "gives no sign of life")
        last = min(each.state.count for each in signs.values())
        behind = {rank: each for rank, each in signs.items() if each.state.count == last}
        if own.long or last >= own.count or any(each.state.long for each in behind.values()):
            return ""
        stuck = [rank for rank, each in behind.items() if each.still > self._limit]
        return self._said(stuck[0], behind[stuck[0]], "does not come on") if stuck else ""

    def _said(self, rank: int, sign: Sign, what: str) -> str:
        was = sign.state.long or sign.state.place
        return f"process {rank} {self._waited(f'{what}, and was last {was}')}"

    def _waited(self, what: str) -> str:
        waiting = f"process {self._world.rank} waits for it, {self._state.place}"
        hint = f"go on with graphkd resume; {VARIABLE} says how many seconds processes wait"
        return f"did not answer for {self._limit:g} s: it {what}; {waiting}; {hint}"

    def _signs(self) -> dict[int, Sign] | None:
        """Read the signs of the others; None where who keeps them does not answer."""
        found: dict[int, Sign] = {}

        def read() -> None:
            with suppress(RuntimeError):
                for rank in range(self._world.size):
                    key = f"sign {rank}"
                    if rank != self._world.rank:
                        known = self._store.check([key])
                        found[rank] = _sign_of(self._store.get(key)) if known else Sign()

        if not _ends(read, self._limit):
            return None
        if not found:
            raise RuntimeError("the store is gone")
        return found

    def _leave(self, text: str) -> None:
        def tell() -> None:
            if is_first_to_fail(self._store, self._world):
                _print(text)

        if not _ends(tell, self._limit):
            _print(text)
        # the main thread waits in what cannot be interrupted
        os._exit(1)


def _ends(function: Callable[[], None], limit: float) -> bool:
    """Call what reads from a store, which blocks for ever if who keeps it is halted."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    thread.join(limit)
    return not thread.is_alive()


def _sign_of(text: bytes) -> Sign:
    beat, still, *state = json.loads(text)
    return Sign(beat, still, State(*state))


def _print(text: str) -> None:
    print(f"graphkd: {text}", file=sys.stderr, flush=True)


def is_first_to_fail(store: Store, world: World) -> bool:
    """Say whether no process has failed before this one, which then tells why."""
    try:
        # the value that is there afterwards
        first: bytes = store.compare_set(_FAILED, "", str(world.rank))
    except RuntimeError:
        # the store went with the process that failed first
        return False
    return first == str(world.rank).encode()
