"""Commands that look: check, explain, render, diff, list, show, schema."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from graphkd.cli.common import (
    File,
    Force,
    Json,
    Out,

    Plugin,
    Without,
    load_with,
    print_json,
    write_or_print,
)
from graphkd.errors import did_you_mean, mistake


def check(
    file: File, /, *overrides: str, plugin: Plugin = None, as_json: Json = False
) -> None:
    """Check a blueprint completely, without data, weights or a GPU."""
    from graphkd.compile import compile_blueprint

    blueprint = load_with(file, overrides, plugin)
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
    from graphkd.compile import compile_blueprint
    from graphkd.inspect import explain as explained
    from graphkd.inspect import mermaid, plan_data

    blueprint = load_with(file, overrides, plugin)
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


_FORMATS = {
    ".svg": "svg",
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
    ".md": "mermaid",
    ".dot": "dot",
    ".gv": "dot",
}


def render(
    file: File,
    /,
    *overrides: str,
    format: Annotated[
        Literal["svg", "mermaid", "dot"] | None,
        Parameter(help="By default what --out ends in (.svg, .mmd, .md, .dot, .gv), else mermaid."),
    ] = None,
    out: Out = None,
    force: Force = False,
    plugin: Plugin = None,
) -> None:
    """Draw the graph of a blueprint, as a picture or as Mermaid or DOT text."""
    from graphkd import inspect
    from graphkd.compile import compile_blueprint

    suffix = out.suffix.lower() if out is not None else ".mmd"
    if format is None and suffix not in _FORMATS:
        hint = did_you_mean(suffix, _FORMATS)
        raise mistake(f"--out {out}: no picture format ends in '{suffix}'{hint}")
    draw = {"svg": inspect.svg, "mermaid": inspect.mermaid, "dot": inspect.dot}
    chosen = format or _FORMATS[suffix]
    drawn = draw[chosen](compile_blueprint(load_with(file, overrides, plugin)).graph)
    if chosen == "mermaid" and suffix == ".md":
        drawn = f"```mermaid\n{drawn}\n```"
    write_or_print(drawn, out, force=force)


def diff(one: File, other: File, /, *, plugin: Plugin = None, as_json: Json = False) -> None:
    """Print what differs between two blueprints."""
    from graphkd.inspect.diff import diff as differences

    changes = differences(load_with(one, (), plugin), load_with(other, (), plugin))
    if as_json:
        print_json([{"path": c.path, "before": c.before, "after": c.after} for c in changes])
        return
    print("\n".join(map(str, changes)) or "no difference")


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
    from graphkd.component import KINDS, find, load_plugin, names, summary_of

    for module in plugin or ():
        load_plugin(module)
    known = (*KINDS, "blueprint")
    chosen = kind.removesuffix("s") if kind else None
    if chosen is not None and chosen not in known:
        raise mistake(f"list: no kind '{kind}'{did_you_mean(chosen, known)}")
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
    import inspect as python_inspect

    from graphkd.blueprint.fields import default_of, keys_of
    from graphkd.component import KINDS, find, help_of, load_plugin, names, ports_of

    for module in plugin or ():
        load_plugin(module)
    kinds = [kind for kind in KINDS if component in names(kind)]
    if not kinds:
        every = sorted({name for kind in KINDS for name in names(kind)})
        raise mistake(f"show: no component '{component}'{did_you_mean(component, every)}")
    for kind in kinds:
        cls = find(kind, component)
        helps = help_of(cls)
        parameters = {
            key: {"default": _plain(default_of(field)), "help": helps.get(field.name, "")}
            for key, field in keys_of(cls).items()
        }
        ports = {p.name: p.shape for p in ports_of(cls)} if hasattr(cls, "ports") else {}
        if as_json:
            print_json(
                {"name": component, "kind": kind, "parameters": parameters, "ports": ports}
            )
            continue
        text = (python_inspect.getdoc(cls) or "").partition("\nAttributes:")[0].rstrip()
        print(f"{component} ({kind})\n\n{text}\n")
        for title, rows in (("parameters", parameters), ("ports", ports)):
            if rows:
                print(f"{title}:")
            for key, value in rows.items():
                said = value if isinstance(value, str) else _said(value)
                print(f"  {key:<16} {said}")


def _said(parameter: Any) -> str:
    default = parameter["default"]
    end = "" if default == "required" else f" (default {json.dumps(default)})"
    return f"{parameter['help']}{end}" if default != "required" else f"{parameter['help']} (required)"


def _plain(default: Any) -> Any:
    import attrs

    if default is attrs.NOTHING:
        return "required"
    return default if isinstance(default, (str, int, float, bool, type(None), dict)) else list(default)


def schema(*, out: Out = None, force: Force = False, plugin: Plugin = None) -> None:
    """Print the JSON Schema of blueprint files, for editors."""
    from graphkd.blueprint.schema import schema as made
    from graphkd.component import load_plugin

    for module in plugin or ():
        load_plugin(module)
    write_or_print(json.dumps(made(), indent=1), out, force=force)


COMMANDS: tuple[Callable[..., None], ...] = (check, explain, render, diff, list_, show, schema)

