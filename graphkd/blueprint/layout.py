"""Where the entries and items of a YAML text begin and end."""

from __future__ import annotations

import re
from typing import Any

import attrs
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

_ALIAS = re.compile(r"[\s:,-]*(\*[^\s,\[\]{}]+)")


class CannotPatchError(Exception):
    """A change cannot be made without laying out the text anew."""


@attrs.frozen
class Part:
    """An entry of a mapping or an item of a list; positions are counted in characters.

    Attributes:
        key: key of the entry, number of the item.
        start: where it begins.
        value: where its value begins.
        end: where it ends.
        node: its value; what an alias stands for, where it is one.
        alias: whether it is an alias.
    """

    key: Any
    start: int
    value: int
    end: int
    node: Any
    alias: bool


@attrs.frozen
class Layout:
    """A text and the places in it.

    Attributes:
        text: YAML.
    """

    text: str

    def parts(self, node: Any) -> list[Part]:
        """Return the entries of a mapping or the items of a list, in order."""
        if isinstance(node, MappingNode):
            return [
                self._part(key.value, key.start_mark.index, key.end_mark.index, value)
                for key, value in node.value
            ]
        assert isinstance(node, SequenceNode)
        items: list[Part] = []
        for index, each in enumerate(node.value):
            after = items[-1].end if items else node.start_mark.index
            item = self._part(index, after, after, each)
            items.append(attrs.evolve(item, start=item.value))
        return items

    def _part(self, key: Any, start: int, after: int, node: Any) -> Part:
        begin = node.start_mark.index
        if begin >= after:
            return Part(key, start, begin, self.end(node), node, alias=False)
        # the node stands further up: this is a reference to it
        found = _ALIAS.match(self.text, after)
        if found is None:
            raise CannotPatchError
        return Part(key, start, found.start(1), found.end(1), node, alias=True)

    def end(self, node: Any) -> int:
        """Return where a node ends; ruamel.yaml counts the blank lines behind a block to it."""
        if isinstance(node, ScalarNode) or node.flow_style:
            start, end = node.start_mark.index, node.end_mark.index
            return int(start + len(self.text[start:end].rstrip()))
        return self.parts(node)[-1].end

    def line_start(self, at: int) -> int:
        """Return where the line of a position begins."""
        return self.text.rfind("\n", 0, at) + 1

    def line_end(self, at: int) -> int:
        """Return where the line of a position ends, without its line break."""
        end = self.text.find("\n", at)
        end = len(self.text) if end < 0 else end
        return end - 1 if self.text[:end].endswith("\r") else end

    def next_line(self, at: int) -> int:
        """Return where the line behind a position's begins."""
        end = self.text.find("\n", at)
        return len(self.text) if end < 0 else end + 1
