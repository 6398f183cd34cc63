"""Plain data that remembers where each part of it was written."""

from __future__ import annotations

from typing import Any

import attrs

from graphkd.errors import Place, Problem

Where = tuple[str | int, ...]
"""The way to a value: `("flows", 1, "weight")`."""

KEY = "\0key"
"""Last part of the way to a mapping's key, for the key's own place."""

Content = dict[str, "Located"] | list["Located"] | str | int | float | bool | None


@attrs.frozen
class Located:
    """A value and its place.

    Attributes:
        content: what was written; the parts of a mapping or a list are located too.
        place: where it begins.
        key: where its key begins; None for the items of a list and for a whole file.
        problems: of a whole file, what is wrong in it as YAML; such values are empty here.
    """

    content: Content
    place: Place
    key: Place | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def value(self) -> Any:
        """What was written, without places."""
        if isinstance(self.content, dict):
            return {key: each.value for key, each in self.content.items()}
        if isinstance(self.content, list):
            return [each.value for each in self.content]
        return self.content

    def places(self, path: Where = ()) -> dict[Where, Place]:
        """Return the place of each value below, and at `KEY` that of its key."""
        found = {path: self.place}
        if self.key is not None:
            found[*path, KEY] = self.key
        if isinstance(self.content, dict):
            for key, each in self.content.items():
                found |= each.places((*path, key))
        elif isinstance(self.content, list):
            for index, each in enumerate(self.content):
                found |= each.places((*path, index))
        return found
