"""YAML 1.2's core schema, for reading and for writing: `1e-3` is a number, `no` is a text."""

from __future__ import annotations

import io
import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.resolver import BaseResolver
from ruamel.yaml.tag import Tag

DEEPEST = 50
"""How many mappings and lists may lie in one another."""

PREFIX = "tag:yaml.org,2002:"

# YAML 1.2.2, section 10.3.2; whatever matches nothing is a text
CORE = {
    "null": re.compile(r"null|Null|NULL|~|"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"),
    "float": re.compile(
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
    ),
    "str": re.compile(r".*", re.DOTALL),
}


class CoreSchema(BaseResolver):
    """What an unquoted scalar is; ruamel.yaml's own rules still take `1_000` and `0b1`."""

    def __init__(self, version: Any = None, loader: Any = None, loadumper: Any = None) -> None:
        super().__init__(loader or loadumper)

    @property
    def processing_version(self) -> tuple[int, int]:
        """Say that the text is YAML 1.2, whatever a `%YAML` line in it says."""
        return (1, 2)

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        """Return the tag of a node that has none."""
        if kind is ScalarNode and implicit[0]:
            name = next(name for name, pattern in CORE.items() if pattern.fullmatch(value))
            return Tag(suffix=PREFIX + name)
        return super().resolve(kind, value, (False, False))


def make_yaml() -> YAML:
    """Make a reader and writer without any constructor of Python objects in use."""
    yaml = YAML(typ="rt", pure=True)
    yaml.Resolver = CoreSchema
    yaml.max_depth = DEEPEST
    # one node or flow a line, however long
    yaml.width = 2**31
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    return yaml


def compose(text: str) -> Any:
    """Parse a text into ruamel.yaml's nodes; nothing is constructed.

    Returns:
        The root node, or None for a text without any.

    Raises:
        YAMLError: it is not YAML, or nested too deep.
    """
    yaml = make_yaml()
    # YAML allows an anchor to be set again; a warning would be all that ruamel.yaml adds
    yaml.composer.warn_double_anchors = False
    return yaml.compose(text)


def write(content: Any) -> str:
    """Write plain or commented data as YAML."""
    stream = io.StringIO()
    make_yaml().dump(content, stream)
    return stream.getvalue()
