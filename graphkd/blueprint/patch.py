"""Change values in a YAML text and leave all else as it stands, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from itertools import groupby
from typing import Any

import attrs
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from graphkd.blueprint.layout import CannotPatchError, Layout, Part
from graphkd.blueprint.plain import entries_text, entry_text, inline_text, same
from graphkd.blueprint.yaml12 import compose


@attrs.frozen
class _Edit:
    """A piece of the text, from `start` to `end`, that becomes another."""

    start: int
    end: int
    text: str = ""


def patch(text: str, old: Any, new: Any) -> str:
    """Change a text that holds old values so that it holds new ones.

    Args:
        text: YAML.
        old: the mapping that it stands for; keys of the text that are not in it are left alone.
        new: the mapping that it should stand for.

    Returns:
        The changed text. Anchors may have made it wrong: whoever calls this reads it again.

    Raises:
        CannotPatchError: it would have to be laid out anew.
    """
    return _applied(text, _mapping_edits(Layout(text), compose(text), old, new))


def without_aliases(text: str, plain: Any) -> str:
    """Write each alias out.

    Args:
        text: YAML.
        plain: what it holds.
    """
    return _applied(text, _alias_edits(Layout(text), compose(text), plain))


def _applied(text: str, edits: Iterable[_Edit]) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    done: list[str] = []
    at = 0
    # sorting keeps the order of two insertions at one place: the inner one comes first
    for each in sorted(edits, key=lambda edit: edit.start):
        if each.start < at:
            raise CannotPatchError
        done += [text[at : each.start], each.text.replace("\n", newline)]
        at = each.end
    return "".join([*done, text[at:]])


def _alias_edits(layout: Layout, node: Any, plain: Any) -> Iterator[_Edit]:
    if isinstance(node, ScalarNode):
        return
    for part in layout.parts(node):
        below = plain[part.key]
        if part.alias:
            yield _Edit(part.value, part.end, inline_text(below))
        else:
            yield from _alias_edits(layout, part.node, below)


def _value_edits(layout: Layout, part: Part, old: Any, new: Any) -> Iterator[_Edit]:
    if isinstance(new, dict) and isinstance(part.node, MappingNode) and not part.alias:
        yield from _mapping_edits(layout, part.node, old if isinstance(old, dict) else {}, new)
    elif isinstance(new, list) and isinstance(part.node, SequenceNode) and not part.alias:
        yield from _list_edits(layout, part.node, old, new)
    else:
        gap = " " if part.value == part.end else ""
        yield _Edit(part.value, part.end, gap + inline_text(new))


def _mapping_edits(layout: Layout, node: MappingNode, old: Any, new: Any) -> Iterator[_Edit]:
    parts = layout.parts(node)
    changed = _delta(old, new)
    # parameters of another component may not stay, even where they are written at their default
    other = any(key in changed for key in ("type", "loss", "dataset"))
    gone = [each.key not in new and (each.key in old or other) for each in parts]
    if all(gone):
        raise CannotPatchError
    for each in parts:
        if each.key in changed:
            changed.pop(each.key)
            yield from _value_edits(layout, each, old.get(each.key), new[each.key])
    last = max(each.end for each, is_gone in zip(parts, gone, strict=True) if not is_gone)
    if changed:
        yield _added_entries(layout, node, last, changed)
    yield from _removals(layout, node, parts, gone)


def _added_entries(layout: Layout, node: MappingNode, last: int, added: dict[str, Any]) -> _Edit:
    texts = [entry_text(key, value) for key, value in added.items()]
    if node.flow_style:
        return _Edit(last, last, "".join(f", {text}" for text in texts))
    column = node.start_mark.column
    if column == 0:
        texts = entries_text(added).rstrip("\n").split("\n")
    at = layout.line_end(last)
    return _Edit(at, at, "".join(f"\n{' ' * column}{text}" for text in texts))


def _list_edits(layout: Layout, node: SequenceNode, old: Any, new: list[Any]) -> Iterator[_Edit]:
    parts = layout.parts(node)
    if not isinstance(old, list) or len(old) != len(parts) or not old or not new:
        yield _Edit(node.start_mark.index, layout.end(node), inline_text(new))
        return
    gone = [False] * len(parts)
    one, other = ([json.dumps(each, sort_keys=True) for each in items] for items in (old, new))
    for what, i, i_end, j, j_end in SequenceMatcher(None, one, other, False).get_opcodes():
        if what == "equal":
            continue
        pairs = min(i_end - i, j_end - j)
        for k in range(pairs):
            yield from _value_edits(layout, parts[i + k], old[i + k], new[j + k])
        gone[i + pairs : i_end] = [True] * (i_end - i - pairs)
        if j + pairs < j_end:
            yield _added_items(layout, node, parts, i + pairs, new[j + pairs : j_end])
    yield from _removals(layout, node, parts, gone)


def _added_items(
    layout: Layout, node: SequenceNode, parts: list[Part], before: int, items: list[Any]
) -> _Edit:
    texts = [inline_text(each) for each in items]
    dash = " " * node.start_mark.column + "- "
    if before and node.flow_style:
        at, text = parts[before - 1].end, "".join(f", {text}" for text in texts)
    elif before:
        at = layout.line_end(parts[before - 1].end)
        text = "".join(f"\n{dash}{text}" for text in texts)
    elif node.flow_style:
        at, text = parts[0].start, "".join(f"{text}, " for text in texts)
    else:
        at = layout.line_start(parts[0].start)
        text = "".join(f"{dash}{text}\n" for text in texts)
    return _Edit(at, at, text)


def _removals(layout: Layout, node: Any, parts: list[Part], gone: list[bool]) -> Iterator[_Edit]:
    """Take entries or items away, with their lines or with their commas."""
    for is_gone, group in groupby(range(len(parts)), key=gone.__getitem__):
        numbers = list(group)
        first, last = numbers[0], numbers[-1]
        if not is_gone:
            continue
        if not node.flow_style:
            start = layout.line_start(parts[first].start)
            if layout.text[start : parts[first].start].strip(" -"):
                raise CannotPatchError
            yield _Edit(start, layout.next_line(parts[last].end))
        elif last + 1 < len(parts):
            yield _Edit(parts[first].start, parts[last + 1].start)
        else:
            yield _Edit(parts[first - 1].end, parts[last].end)


def _delta(old: Any, new: Any) -> Any:
    """Return what is new or differs; of mappings only those keys, so that the rest is inherited."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    changed = {key: each for key, each in new.items() if not same(old.get(key, _MISSING), each)}
    return {key: _delta(old.get(key), each) for key, each in changed.items()}


_MISSING = object()
