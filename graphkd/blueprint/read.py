"""Read YAML 1.2 as plain data, with the place of every key and value. Nothing is executed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from graphkd.blueprint.model import KEY, Where
from graphkd.errors import BlueprintError, Place, Problem, mistake

LARGEST_FILE = 1_000_000
MOST_VALUES = 50_000
_CORE = "tag:yaml.org,2002:"
_PLAIN = ("null", "bool", "int", "float", "str", "timestamp", "map", "seq")


@attrs.frozen
class Located:
    """Plain data and where each part of it was written.

    Attributes:
        value: dict, list, str, int, float, bool or None.
        places: place of the value at each path; with `KEY` appended, of its key.
    """

    value: Any
    places: dict[Where, Place]


def read_file(path: Path) -> Located:
    """Read one blueprint file.

    Raises:
        BlueprintError: no such file, too big, not text, or not YAML that a blueprint may hold.
    """
    if path.is_dir():
        raise mistake(f"{path}: is a folder, not a blueprint file")
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_FILE + 1)
    except FileNotFoundError as error:
        raise mistake(f"{path}: no such file") from error
    except OSError as error:
        raise mistake(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > LARGEST_FILE:
        raise mistake(
            f"{path}: is {path.stat().st_size / 1e6:.1f} MB; a blueprint has at most 1 MB"
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise mistake(f"{path}: is not a text file (byte {error.start} is not UTF-8)") from error
    return read_text(text, str(path))


def read_text(text: str, name: str) -> Located:
    """Read a blueprint's text.

    Args:
        text: YAML 1.2.
        name: how places call it.

    Raises:
        BlueprintError: not YAML, or YAML that a blueprint may not hold.
    """
    try:
        root = YAML(typ="rt", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(name, mark.line + 1, mark.column + 1) if mark else Place(name)
        raise mistake(f"not valid YAML: {error.problem or error.context}", place) from error
    except RecursionError as error:
        raise mistake("nested too deep", Place(name)) from error
    except (YAMLError, ValueError) as error:
        raise mistake(f"not valid YAML: {str(error).splitlines()[0]}", Place(name)) from error
    if root is None:
        raise mistake("the file is empty", Place(name))
    reader = _Reader(name)
    try:
        value = reader.value(root, ())
    except RecursionError as error:
        raise mistake("nested too deep", Place(name)) from error
    if reader.problems:
        raise BlueprintError(reader.problems, source=name)
    return Located(value, reader.places)


def read_value(text: str) -> Any:
    """Read one YAML value, as written on the command line after `=`.

    Raises:
        BlueprintError: it is not one.
    """
    return read_text(text, text).value if text.strip() else ""


class _Reader:
    def __init__(self, name: str) -> None:
        self.name = name
        self.places: dict[Where, Place] = {}
        self.problems: list[Problem] = []
        self._count = 0
        self._open: set[int] = set()

    def value(self, node: Any, path: Where) -> Any:
        place = self._place(node)
        self.places[path] = place
        self._count += 1
        if self._count > MOST_VALUES:
            raise mistake(f"more than {MOST_VALUES} values after aliases are followed", place)
        if id(node) in self._open:
            raise mistake("an alias that holds itself", place)
        self._open.add(id(node))
        try:
            return self._plain(node, path, place)
        finally:
            self._open.discard(id(node))

    def _plain(self, node: Any, path: Where, place: Place) -> Any:
        tag = str(node.tag)
        if tag.removeprefix(_CORE) not in _PLAIN:
            self._problem(f"tag '{tag.replace(_CORE, '!!')}' is not allowed: a blueprint holds plain data only", place)
            return None
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
        return self._scalar(node, tag.removeprefix(_CORE), place)

    def _mapping(self, node: MappingNode, path: Where) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = self._place(key_node)
            if not isinstance(key_node, ScalarNode):
                self._problem("a key must be a word", place)
                continue
            key = str(key_node.value)
            if key in found:
                first = self.places[(*path, key, KEY)]
                self._problem(f"key '{key}' is written twice (first in line {first.line})", place)
                continue
            found[key] = self.value(value_node, (*path, key))
            self.places[(*path, key, KEY)] = place
        return found

    def _scalar(self, node: ScalarNode, tag: str, place: Place) -> Any:
        text = str(node.value)
        try:
            match tag:
                case "null":
                    return None
                case "bool":
                    return {"true": True, "false": False}[text.lower()]
                case "int":
                    return _integer(text)
                case "float":
                    return float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
                case "str" | "timestamp":
                    return text
        except (ValueError, KeyError):
            pass
        self._problem(f"'{text}' is not a value of YAML 1.2's type '{tag}'", place)
        return None

    def _place(self, node: Any) -> Place:
        return Place(self.name, node.start_mark.line + 1, node.start_mark.column + 1)

    def _problem(self, message: str, place: Place) -> None:
        self.problems.append(Problem(message, place))


def _integer(text: str) -> int:
    digits = text.replace("_", "")
    for prefix, base in (("0o", 8), ("0x", 16)):
        if digits.lower().lstrip("+-").startswith(prefix):
            return int(digits, base)
    return int(digits)
