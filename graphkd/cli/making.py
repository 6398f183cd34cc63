"""Commands that make: new."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from graphkd.cli.common import Force, Out
from graphkd.errors import mistake


def new(
    name: Annotated[str, Parameter(help="Name of the blueprint; the file is NAME.yaml.")],
    /,
    *,
    like: Annotated[str, Parameter(help="The shipped blueprint to start from.")] = "hinton",
    out: Out = None,
    force: Force = False,
) -> None:
    """Write a new blueprint to start from."""
    from graphkd.blueprint import find_file

    file = out or Path(f"{name}.yaml")
    if file.exists() and not force:
        raise mistake(f"{file}: exists already; choose another --out, or --force to replace it")
    lines = find_file(like).read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("# yaml-language-server")]
    named = [f"blueprint: {name}" if line.startswith("blueprint:") else line for line in kept]
    text = "\n".join(named)
    try:
        file.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise mistake(f"{file}: cannot be written: {error.strerror}") from error
    print(file)


COMMANDS: tuple[Callable[..., None], ...] = (new,)
