"""Build parts on the meta device: modules without memory."""

from __future__ import annotations

from typing import Any

import attrs
import torch
from torch import nn

from graphkd.compile.progress import Progress
from graphkd.component import Site
from graphkd.errors import ComponentError
from graphkd.graph import Vertex, describe_vertex


def build(progress: Progress, each: Vertex, site: Site) -> Any:
    """Build a vertex on the meta device.

    Args:
        progress: a module is kept there, and so is a mistake.
        each: what to build.
        site: where it is built.

    Returns:
        The module; what is not built is the component itself; None after a mistake.
    """
    if not hasattr(each.component, "build"):
        return each.component
    try:
        made = _on_meta(each.component, site)
    except ComponentError as error:
        report_error(progress, each, error)
        return None
    except Exception as error:
        error.add_note(f"while building {describe_vertex(each)} for {_sizes(site)}")
        raise
    if isinstance(made, nn.Module):
        progress.modules[each.name] = made.eval()
    return made


def needs_target(each: Vertex, site: Site) -> bool:
    """Say whether a component can only be built when the other side of its flow is known."""
    if not hasattr(each.component, "build"):
        return False
    try:
        _on_meta(each.component, attrs.evolve(site, target=None))
    except ComponentError:
        return True
    return False


def _on_meta(component: Any, site: Site) -> Any:
    try:
        with torch.device("meta"):
            return component.build(site)
    except RuntimeError as error:
        # even without memory, sizes are multiplied
        if "overflowed" not in str(error):
            raise
        reason = str(error).splitlines()[0]
        raise ComponentError(f"is too large for any memory: {reason}; take less") from error


def report_error(progress: Progress, each: Vertex, error: ComponentError) -> None:
    """Report what a component says about its parameters, at the parameter."""
    where = (*each.where, error.field) if error.field else each.where
    progress.problem(f"{describe_vertex(each)}: {error}", where)


def _sizes(site: Site) -> str:
    ports = (f"{name} {', '.join(map(str, each))}" for name, each in site.inputs.items())
    return "; ".join(ports) or "no inputs"
