"""The command that builds, lists and clears what frozen nodes computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from graphkd.cli.common import Json, Plugin, load_with, print_json
from graphkd.errors import mistake

if TYPE_CHECKING:
    from graphkd.run.cache.build import Built
    from graphkd.run.cache.place import Found

File = Annotated[
    str | None, Parameter(help="A blueprint file, or the name of a shipped one, to build for.")
]
List = Annotated[bool, Parameter(name="--list", negative="", help="List what lies there.")]
Clear = Annotated[bool, Parameter(name="--clear", negative="", help="Remove all of it.")]
Force = Annotated[bool, Parameter(name="--force", negative="", help="With --clear: do it.")]


def cache(
    file: File = None,
    /,
    *overrides: str,
    list_: List = False,
    clear: Clear = False,
    force: Force = False,
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Compute ahead what frozen nodes with `cache` give, so that no run has to.

    It lies in $GRAPHKD_CACHE, else in ~/.cache/graphkd. What is there is not computed again.
    """
    if [file is not None, list_, clear].count(True) != 1:
        raise mistake("cache: write a blueprint to build for, or --list, or --clear")
    if force and not clear:
        raise mistake("cache: --force goes with --clear; leave it out")
    if file is not None:
        _build(file, overrides, plugin, as_json=as_json)
    else:
        _look(clear=clear, force=force, as_json=as_json)


def _build(file: str, overrides: Sequence[str], plugin: list[str] | None, *, as_json: bool) -> None:
    from rich.console import Console

    from graphkd.compile import compile_blueprint
    from graphkd.run.cache.build import build_stores
    from graphkd.run.progress import Progress

    schedule = compile_blueprint(load_with(file, overrides, plugin))
    if not any(node.caching for node in schedule.blueprint.nodes.values()):
        raise mistake(f"{file}: no node has a cache; write cache: true at a frozen one")
    found = build_stores(schedule, Progress(None if as_json else Console()))
    if as_json:
        print_json([_data(each) for each in found])
        return
    for each in found:
        print(_said(each))


def _data(each: Built) -> dict[str, Any]:
    return {
        "phase": each.phase,
        "node": each.node,
        "seed": each.seed,
        "folder": str(each.folder) if each.folder else None,
        "rows": each.rows,
        "written": each.written,
        "bytes": each.bytes,
        "seconds": each.seconds,
    }


def _said(each: Built) -> str:
    from graphkd.inspect.amount import counted, short

    head = f"phase '{each.phase}', seed {each.seed}: {each.node}"
    if each.folder is None:
        return f"{head}: learns in a phase before; the run itself keeps it"
    amount = f"{counted(each.rows, 'row')}, {short(each.bytes, 'B')}"
    done = f"{counted(each.written, 'row')} written in {each.seconds:.1f} s"
    return f"{head}: {amount}; {done if each.written else 'all there'}\n  {each.folder}"


def _look(*, clear: bool, force: bool, as_json: bool) -> None:
    from graphkd.inspect.amount import counted, short
    from graphkd.run.cache.place import clear as clear_all
    from graphkd.run.cache.place import found_stores, place

    if clear and not force:
        found = found_stores()
        total = short(sum(each.bytes for each in found), "B")
        text = f"cache: --clear removes {counted(len(found), 'store')}, {total}, in {place()}"
        raise mistake(f"{text}; add --force")
    found = clear_all() if clear else found_stores()
    if as_json:
        print_json([_found_data(each) for each in found])
        return
    for each in found:
        print(_found_said(each))
    total = short(sum(each.bytes for each in found), "B")
    verb = "removed" if clear else "there"
    print(f"{counted(len(found), 'store')}, {total} {verb}: {place()}")


def _found_data(each: Found) -> dict[str, Any]:
    return {
        "folder": str(each.folder),
        "rows": each.rows,
        "bytes": each.bytes,
        "manifest": each.manifest,
    }


def _found_said(each: Found) -> str:
    from graphkd.inspect.amount import counted, short
    from graphkd.inspect.text import one_line

    content = each.manifest
    what = "damaged"
    if content:
        taps = ", ".join(content["layouts"])
        model = content["model"].get("model", content["model"]["type"])
        what = f"{model} ({taps}) on {content['data']['dataset']}"
    size = f"{counted(each.rows, 'row')}, {short(each.bytes, 'B')}"
    return one_line(f"{each.folder.name}  {what}: {size}")


COMMANDS = (cache,)
