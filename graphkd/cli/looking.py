"""Commands that look: check, explain, list, show, schema."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import attrs
from cyclopts import Parameter

from graphkd.cli.common import (
    File,
    Force,
    Json,
    Out,
    Plugin,
    Without,
    load_plugins,
    load_with,
    print_json,
    write_or_print,
)
from graphkd.errors import did_you_mean, mistake


def check(file: File, /, *overrides: str, plugin: Plugin = None, as_json: Json = False) -> None:
    """Check a blueprint completely, without data, weights or a GPU."""
    blueprint = load_with(file, overrides, plugin)
    # behind the file's own mistakes, which are told without waiting for torch
    from graphkd.compile import compile_blueprint

    schedule = compile_blueprint(blueprint)
    if as_json:
        print_json({"blueprint": blueprint.blueprint, "ok": True})
        return
    phases = ", ".join(plan.name for plan in schedule.phases)
    handed = ", ".join(schedule.deliver)
    print(
        f"{file}: fine: {_counted(len(blueprint.nodes), 'node')}, "
        f"{_counted(len(blueprint.flows), 'flow')}, phases {phases}; hands back {handed}"
    )


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def explain(
    file: File,
    /,
    *overrides: str,
    without: Without = None,
    after: Annotated[
        str | None, Parameter(help="Print the graph after this pass, as Mermaid text.")
    ] = None,
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Print what runs in each phase: instructions, shapes, parameters, FLOPs and bytes."""
    blueprint = load_with(file, overrides, plugin)
    from graphkd.compile import compile_blueprint
    from graphkd.inspect import explain as explained
    from graphkd.inspect import mermaid, plan_data

    schedule = compile_blueprint(blueprint, without=without or (), keep_stages=after is not None)
    if after is not None:
        found = [name for name in schedule.stages if name.split(":")[0] == after]
        if not found:
            known = list(dict.fromkeys(name.split(":")[0] for name in schedule.stages))
            raise mistake(f"--after {after}: no pass '{after}'{did_you_mean(after, known)}")
        for name in found:
            print(f"%% {name}\n{mermaid(schedule.stages[name])}")
    elif as_json:
        print_json(plan_data(schedule))
    else:
        print(explained(schedule))


def list_(
    kind: Annotated[
        str | None, Parameter(help="model, projector, loss, …, blueprint; all by default.")
    ] = None,
    /,
    *,
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """List the components and the shipped blueprints."""
    from graphkd.blueprint import shipped
    from graphkd.component import KINDS, find, names, summary_of

    load_plugins(plugin)
    known = (*KINDS, "blueprint")
    plurals = {f"{each}es" if each.endswith("s") else f"{each}s": each for each in known}
    chosen = plurals.get(kind, kind) if kind else None
    if chosen is not None and chosen not in known:
        raise mistake(f"list: no kind '{chosen}'{did_you_mean(chosen, known)}")
    found = {
        each: {name: summary_of(find(each, name)) for name in names(each)}
        for each in KINDS
        if chosen in (None, each)
    }
    if chosen in (None, "blueprint"):
        found["blueprint"] = {name: _about(path) for name, path in shipped().items()}
    if as_json:
        print_json(found)
        return
    for each, members in found.items():
        print(f"{each}:")
        for name, summary in members.items():
            print(f"  {name:<20} {summary}")


def _about(path: Path) -> str:
    from graphkd.blueprint.read import read_file

    return str(read_file(path).value.get("about", ""))


def show(component: str, /, *, plugin: Plugin = None, as_json: Json = False) -> None:
    """Show a component: what it is, its parameters, its ports, its source."""
    from graphkd.component import KINDS, find, names

    load_plugins(plugin)
    found = [find(kind, component) for kind in KINDS if component in names(kind)]
    if not found:
        every = sorted({name for kind in KINDS for name in names(kind)})
        raise mistake(f"show: no component '{component}'{did_you_mean(component, every)}")
    described = [_described(each) for each in found]
    if as_json:
        print_json(described[0] if len(described) == 1 else described)
        return
    for cls, each in zip(found, described, strict=True):
        print(f"{component} ({each['kind']})\n\n{_docstring(cls)}\n")
        for title in ("parameters", "ports"):
            if each[title]:
                print(f"{title}:")
            for key, value in each[title].items():
                print(f"  {key:<16} {value if isinstance(value, str) else _said(value)}")


def _described(cls: type) -> dict[str, Any]:
    """Say in plain data what a component is made of."""
    from graphkd.blueprint.fields import default_of, keys_of
    from graphkd.blueprint.save import to_plain
    from graphkd.component import help_of, kind_of, name_of, ports_of

    parameters = {}
    for key, field in keys_of(cls).items():
        default = default_of(field)
        value = "required" if default is attrs.NOTHING else to_plain(default)
        parameters[key] = {"default": value, "help": help_of(cls).get(field.name, "")}
    return {
        "name": name_of(cls),
        "kind": kind_of(cls),
        "parameters": parameters,
        "ports": {p.name: p.shape for p in ports_of(cls)} if hasattr(cls, "ports") else {},
    }


def _docstring(cls: type) -> str:
    """Return what stands before the parameters, which are listed with their defaults."""
    import inspect as python_inspect

    return (python_inspect.getdoc(cls) or "").partition("\nAttributes:")[0].rstrip()


def _said(parameter: dict[str, Any]) -> str:
    default = parameter["default"]
    if default == "required":
        return f"{parameter['help']} (required)"
    # that empty is the default is in the help of such a parameter
    end = "" if default in (None, [], {}) else f" (default {json.dumps(default)})"
    return f"{parameter['help']}{end}"


def schema(*, out: Out = None, force: Force = False, plugin: Plugin = None) -> None:
    """Print the JSON Schema of blueprint files, for editors."""
    from graphkd.blueprint.schema import schema as made

    load_plugins(plugin)
    write_or_print(json.dumps(made(), indent=1), out, force=force)


COMMANDS: tuple[Callable[..., None], ...] = (check, explain, list_, show, schema)
