"""The commands of `graphkd`, and how a user's mistake ends one."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from graphkd import __version__
from graphkd.cli import caching, comparing, drawing, looking, making, running, studying
from graphkd.cli.starting import alike, require_together
from graphkd.errors import BlueprintError

app = App(
    name="graphkd",
    help="Knowledge distillation as a graph: draw it, check it, compile it, run it.",
    version=__version__,
    help_format="plaintext",
)
for command in (
    *looking.COMMANDS,
    *drawing.COMMANDS,
    *running.COMMANDS,
    *caching.COMMANDS,
    *comparing.COMMANDS,
    *making.COMMANDS,
):
    name = command.__name__.removesuffix("_").replace("_", "-")
    app.command(command, name=name)
app.command(studying.study)


def main(words: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit status: 0, 1 for a mistake, 130 when stopped."""
    try:
        require_together(app.parse_commands(words)[0])
        app(words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        _leave(str(alike(error)).strip(), 1)
    except BlueprintError as error:
        _leave(str(error), 1)
    except BrokenPipeError:
        # the reader of our output has gone, as in `graphkd list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        _leave("stopped", 130)


def _leave(message: str, status: int) -> None:
    print(f"graphkd: {message}", file=sys.stderr)
    sys.exit(status)
