"""Build the modules of a schedule, each from its own seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import networkx as nx
import torch
from torch import nn

from graphkd.compile.infer import site_for
from graphkd.compile.plan import Schedule
from graphkd.errors import ComponentError, mistake
from graphkd.graph import describe_vertex, vertex

Part = nn.Module | Callable[..., Any]


def build_parts(schedule: Schedule, *, seed: int) -> dict[str, Part]:
    """Build every part of the graph on the CPU.

    Args:
        schedule: what was compiled.
        seed: the run's seed. The initial weights of a node depend on it and on the node's name
            alone, or on the node's own `seed`, so that adding a node changes no other one.

    Returns:
        By vertex name: a module, or for a stateless part the component itself.

    Raises:
        BlueprintError: weights that cannot be loaded.
    """
    graph = schedule.graph
    parts: dict[str, Part] = {}
    modules: dict[str, nn.Module] = {}
    for name in nx.topological_sort(nx.DiGraph(graph)):
        each = vertex(graph, name)
        if each.kind in ("data", "convert"):
            continue
        build = getattr(each.component, "build", None)
        if build is None:
            parts[name] = each.component
            continue
        own = each.settings.seed if each.settings is not None else None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(node_seed(seed, name) if own is None else own)
            try:
                parts[name] = build(site_for(graph, name, modules, load=True))
            except ComponentError as error:
                place = schedule.blueprint.place(*each.where, error.field)
                raise mistake(f"{describe_vertex(each)}: {error}", place) from error
            except Exception as error:
                error.add_note(f"while building {describe_vertex(each)}")
                raise
        if isinstance(parts[name], nn.Module):
            modules[name] = parts[name]  # type: ignore[assignment]
    return parts


def node_seed(seed: int, name: str) -> int:
    """Mix the run's seed and a node's name into the seed of its weights."""
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
