"""Runs of `graphkd` in processes that are forked, with all they import already there."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

IMPORTED = (
    "graphkd.cli.app",
    "graphkd.components",
    "graphkd.run",
    "sklearn.datasets",
    "timm.utils.model_ema",
    "torch.utils.tensorboard.writer",
    "torchvision.transforms.v2",
)


def prepare(files: Sequence[Path]) -> None:
    """Import what runs need, and compile their blueprints; no thread is started."""
    for name in IMPORTED:
        importlib.import_module(name)
    from graphkd.blueprint import load
    from graphkd.compile import compile_blueprint

    for file in files:
        compile_blueprint(load(file))


@attrs.frozen
class Child:
    """A run in a process of its own, and in a process group of its own."""

    pid: int

    def wait(self, until: Callable[[], bool] = lambda: False, *, pause: float = 0.01) -> int | None:
        """Wait for its end, or for something before it.

        Returns:
            Its exit status, negative for a signal; None where it still runs.
        """
        while not until():
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(pause)
        return None

    def kill(self) -> None:
        """Kill it and the processes that it started, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def start(words: Sequence[str], log: Path) -> Child:
    """Run a command; what it says goes to the end of a file."""
    pid = os.fork()
    if pid:
        # whoever is first: a kill of the group must find it
        with contextlib.suppress(PermissionError):
            os.setpgid(pid, pid)
        return Child(pid)
    status = 70
    try:
        os.setpgid(0, 0)
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(handle, stream)
        status = _run(words)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        # nothing of the parent's is to be cleaned up here
        os._exit(status)


def _run(words: Sequence[str]) -> int:
    from graphkd.cli.app import main

    try:
        main(words)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 0
    return 0
