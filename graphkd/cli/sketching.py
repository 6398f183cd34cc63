"""What `render` makes of a blueprint with mistakes: a drawing of what could be read."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from graphkd.cli.common import write_or_print
from graphkd.cli.formats import fenced
from graphkd.errors import BlueprintError

if TYPE_CHECKING:
    from graphkd.inspect.sketch import Sketch


def render_partly(
    file: str,
    overrides: Sequence[str],
    format: str,
    *,
    view: str,
    out: Path | None,
    force: bool,
    error: BlueprintError,
) -> None:
    """Draw what can be read of a faulty blueprint, with its problems marked; say so on stderr.

    Args:
        file: path or name of the blueprint.
        overrides: `path=value` words.
        format: as `render` writes it.
        view: what a picture shows; a page shows all that there is.
        out: where to write.
        force: replace what lies there.
        error: what loading or compiling the blueprint raised.
    """
    from graphkd.inspect.sketch import sketch

    made = sketch(file, overrides, error=error)
    if made is None:
        return
    drawn = _drawn(made, format, view=view)
    write_or_print(fenced(drawn, format, out), out, force=force)
    shown = "what could be read" if made.graph is not None else "no more than the problems"
    print(f"graphkd: {out or 'the drawing'} shows {shown} of {file}", file=sys.stderr)


def _drawn(made: Sketch, format: str, *, view: str) -> str | bytes:
    from graphkd.inspect.drawing.png import png
    from graphkd.inspect.sketch import pictures
    from graphkd.inspect.sketch.page import sketch_page

    match format:
        case "html":
            return sketch_page(made)
        case "svg":
            return pictures.sketch_svg(made, view=view)
        case "png":
            return png(pictures.sketch_svg(made, view=view))
        case "json":
            return json.dumps(pictures.sketch_data(made), indent=2)
        case "mermaid":
            return pictures.sketch_mermaid(made)
    return pictures.sketch_dot(made)
