"""Put one blueprint's data over another's."""

from __future__ import annotations

from typing import Any

import attrs

from graphkd.blueprint.fields import bare_key, component_field, find_component, keys_of
from graphkd.blueprint.located import Located, Where
from graphkd.blueprint.parts import Augment, Data, Extra, Flow, Node, Via


def extend(base: Located, over: Located) -> Located:
    """Put what is written in a file over the file that it extends.

    Args:
        base: what is extended, a mapping.
        over: what is written in the extending file, a mapping.

    Returns:
        The merged data; each part keeps the place where it was written.
    """
    assert isinstance(over.content, dict)
    own = {key: each for key, each in over.content.items() if key != "extends"}
    merged = merge(base, attrs.evolve(over, content=own))
    return attrs.evolve(merged, place=over.place, problems=(*base.problems, *over.problems))


def merge(old: Located, new: Located, at: Where = ()) -> Located:
    """Merge mappings key by key, and replace all else.

    An empty node takes the node away, and so an empty mapping like a model's `args` all that is in
    it. With another component (`type`, `loss`, `dataset`), the old one's parameters that the new
    one does not have go.

    Args:
        old: the data below.
        new: the data above.
        at: the way to both in the blueprint.

    Returns:
        The data of both; `old` and `new` are unchanged.
    """
    below, above = spelt_out(old, at), spelt_out(new, at)
    if not isinstance(below.content, dict) or not isinstance(above.content, dict):
        return new
    kept = _without_stale(below.content, above.content, at)
    for key, each in above.content.items():
        if each.content is None and key in kept and _goes_when_empty(kept[key], at):
            del kept[key]
        else:
            kept[key] = merge(kept[key], each, (*at, key)) if key in kept else each
    return attrs.evolve(below, content=kept)


def _goes_when_empty(below: Located, at: Where) -> bool:
    return at == ("nodes",) or isinstance(below.content, dict)


def put(located: Located, path: Where, value: Located, at: Where = ()) -> Located:
    """Merge a value into what stands at a path; what is missing on the way is made.

    Args:
        located: the data.
        path: keys of mappings and numbers of items that are there.
        value: what to merge.
        at: the way to `located` in the blueprint.

    Returns:
        The changed data; `located` is unchanged.
    """
    if not path:
        return merge(located, value, at)
    head, rest, here = path[0], path[1:], spelt_out(located, at)
    if isinstance(head, int):
        assert isinstance(here.content, list)
        items = list(here.content)
        items[head] = put(items[head], rest, value, (*at, head))
        return attrs.evolve(here, content=items)
    content = here.content if isinstance(here.content, dict) else {}
    if not rest:
        return merge(attrs.evolve(here, content=content), Located({head: value}, value.place), at)
    below = content.get(head) or Located({}, value.place, key=value.place)
    return attrs.evolve(here, content={**content, head: put(below, rest, value, (*at, head))})


def spelt_out(located: Located, at: Where) -> Located:
    """Turn a component's bare name (`via: linear`) into a mapping, so that it can be merged."""
    cls = _section_class(at)
    key = bare_key(cls) if cls else None
    if key is None or not isinstance(located.content, str):
        return located
    name = Located(located.content, located.place, located.key or located.place)
    return attrs.evolve(located, content={key: name})


def _without_stale(
    old: dict[str, Located], new: dict[str, Located], at: Where
) -> dict[str, Located]:
    """Leave out the parameters of a component that `new` replaces by another without them."""
    cls = _section_class(at)
    field = component_field(cls) if cls else None
    if cls is None or field is None:
        return dict(old)
    key = field.metadata["key"]
    before = old[key].content if key in old else None
    after = new[key].content if key in new else before
    if before == after or not isinstance(after, str):
        return dict(old)
    try:
        known = {*keys_of(cls), *keys_of(find_component(field.metadata["kinds"], after))}
    except KeyError:
        return dict(old)
    return {name: each for name, each in old.items() if name in known}


def _section_class(at: Where) -> Any | None:
    """Return the class of what stands at a place of a blueprint, if it holds a component."""
    match at:
        case ("data",):
            return Data
        case ("nodes", _):
            return Node
        case ("flows", int()):
            return Flow
        case ("flows", int(), "via") | ("flows", int(), "via", int()):
            return Via
        case ("data", "augment") | ("data", "augment", int()):
            return Augment
        case ("data", "extra") | ("data", "extra", int()):
            return Extra
    return None
