"""Start several processes of one command on this machine."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence

STOPPED = 130
"""Status of a command that a signal has stopped."""


def start_processes(count: int, words: Sequence[str]) -> int:
    """Run a command of graphkd in several processes, as torchrun does.

    Args:
        count: of the processes.
        words: of the command, without `graphkd`.

    Returns:
        The exit status: 0, or that of the process that failed first.
    """
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    # the process that failed has said why
    logging.disable(logging.CRITICAL)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    options = ["--standalone", "--nproc-per-node", str(count), "-m", "graphkd"]
    try:
        run(parse_args([*options, *words]))  # type: ignore[no-untyped-call]
    except SignalException:
        return STOPPED
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode > 0:
            return failure.exitcode
        # it had no time to say why
        name = signal.Signals(-failure.exitcode).name
        print(f"graphkd: process {rank} was ended by {name}", file=sys.stderr)
        return 1
    finally:
        logging.disable(logging.NOTSET)
    return 0


def is_started() -> bool:
    """Say whether torchrun has started this process."""
    return "RANK" in os.environ
