"""Read YAML 1.2 as plain data, with the place of every key and value. Nothing is executed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import attrs
from ruamel.yaml.composer import MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from graphkd.blueprint.located import Content, Located
from graphkd.blueprint.yaml12 import CORE, DEEPEST, PREFIX, compose
from graphkd.errors import BlueprintError, Place, Problem, mistake, shown

LARGEST = 1_000_000
"""Bytes of a file, and its size once aliases are followed."""

# what a value adds to the size besides its text, so that 50,000 values are the most
_VALUE_SIZE = 20
_LARGEST_INTEGER = 2**63 - 1


def read_file(path: Path) -> Located:
    """Read one blueprint file.

    Raises:
        BlueprintError: no such file, too big, not text, or not YAML.
    """
    place = Place(str(path))
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except FileNotFoundError as error:
        raise mistake("no such file", place) from error
    except IsADirectoryError as error:
        raise mistake("is a folder, not a blueprint file", place) from error
    except OSError as error:
        raise mistake(f"cannot be read: {error.strerror}", place) from error
    if len(content) > LARGEST:
        raise mistake("is larger than 1 MB; a blueprint is not", place)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise mistake(f"is no text: byte {error.start} is not UTF-8", place) from error
    return read_text(text, str(path))


def read_text(text: str, name: str) -> Located:
    """Read a blueprint's text.

    Args:
        text: YAML 1.2.
        name: how places call it.

    Returns:
        The data; its `problems` are what is wrong but did not stop the reading.

    Raises:
        BlueprintError: not YAML.
    """
    try:
        root = compose(text)
    except MaxDepthExceededError as error:
        raise mistake(
            f"more than {DEEPEST} levels deep", _mark(name, error.problem_mark)
        ) from error
    except MarkedYAMLError as error:
        place = _mark(name, error.problem_mark or error.context_mark)
        raise mistake(f"not valid YAML: {_said(error)}", place) from error
    except ReaderError as error:
        before = text[: error.position]
        place = Place(name, before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise mistake(f"not valid YAML: character #x{error.character:04x}", place) from error
    except (YAMLError, ValueError) as error:
        said = str(error).partition("\n")[0]
        raise mistake(f"not valid YAML: {said}", Place(name)) from error
    if root is None:
        raise mistake("is empty; write 'blueprint: NAME' first", Place(name))
    reader = _Reader(name)
    located = reader.read(root)
    return attrs.evolve(located, problems=tuple(reader.problems))


def read_value(text: str, place: Place) -> Located:
    """Read one YAML value, as written on the command line after `=`; blank is empty.

    Args:
        text: YAML 1.2.
        place: the place of all that is in it.

    Raises:
        BlueprintError: it is not a value.
    """
    try:
        located = read_text(text if text.strip() else "~", place.file)
    except BlueprintError as error:
        raise BlueprintError(_moved(error.problems, place)) from error
    if located.problems:
        raise BlueprintError(_moved(located.problems, place))
    return _at(located, place)


def _moved(problems: tuple[Problem, ...], place: Place) -> list[Problem]:
    return [attrs.evolve(each, place=place) for each in problems]


def _at(located: Located, place: Place) -> Located:
    """Put a value and all that is in it at one place."""
    content: Content = located.content
    if isinstance(content, dict):
        content = {key: _at(each, place) for key, each in content.items()}
    elif isinstance(content, list):
        content = [_at(each, place) for each in content]
    return Located(content, place, key=located.key and place)


def _mark(name: str, mark: Any) -> Place:
    return Place(name, mark.line + 1, mark.column + 1) if mark else Place(name)


def _said(error: MarkedYAMLError) -> str:
    if error.problem == "but found another document":
        return "several documents; a blueprint is one"
    return str(error.problem or error.context).partition("\n")[0]


class _Reader:
    """Nodes of ruamel.yaml to plain data.

    Attributes:
        problems: what was wrong; such values are empty.
    """

    def __init__(self, name: str) -> None:
        self.problems: list[Problem] = []
        self._name = name
        self._size = 0
        self._open: set[int] = set()

    def read(self, node: Any, key: Place | None = None) -> Located:
        place = _mark(self._name, node.start_mark)
        self._size += _VALUE_SIZE + (len(node.value) if isinstance(node, ScalarNode) else 0)
        if self._size > LARGEST:
            raise mistake("is larger than 1 MB once its aliases are followed", place)
        if id(node) in self._open:
            raise mistake("an alias that holds itself", place)
        self._open.add(id(node))
        try:
            return Located(self._content(node, place), place, key)
        finally:
            self._open.discard(id(node))

    def _content(self, node: Any, place: Place) -> Content:
        tag = str(node.tag).removeprefix(PREFIX)
        if isinstance(node, MappingNode) and tag == "map":
            return self._mapping(node)
        if isinstance(node, SequenceNode) and tag == "seq":
            return [self.read(each) for each in node.value]
        if isinstance(node, ScalarNode) and tag in CORE:
            return self._scalar(tag, node.value, place)
        written = str(node.tag).replace(PREFIX, "!!")
        self._problem(f"tag {shown(written)} cannot stand here: a blueprint is plain data", place)
        return None

    def _mapping(self, node: MappingNode) -> dict[str, Located]:
        found: dict[str, Located] = {}
        for key_node, value_node in node.value:
            place = _mark(self._name, key_node.start_mark)
            key = self._key(key_node, place)
            if key is None:
                continue
            if key in found:
                first = found[key].key
                assert first is not None
                text = f"key {shown(key)} is written twice, first in line {first.line}"
                self._problem(text, place)
                continue
            found[key] = self.read(value_node, place)
        return found

    def _key(self, node: Any, place: Place) -> str | None:
        if not isinstance(node, ScalarNode) or str(node.tag).removeprefix(PREFIX) not in CORE:
            self._problem("a key is a plain word", place)
        elif node.value == "<<" and node.style is None:
            self._problem("'<<' is not YAML 1.2; write the keys, or extends: FILE", place)
        else:
            return str(node.value)
        return None

    def _scalar(self, tag: str, text: str, place: Place) -> Content:
        if CORE[tag].fullmatch(text):
            try:
                value = _scalar(tag, text)
            except ValueError:
                # Python's limit on the digits of an integer
                value = _LARGEST_INTEGER + 1
            if not isinstance(value, int) or abs(value) <= _LARGEST_INTEGER:
                return value
            self._problem(f"{shown(text)} is too large; write an integer below 2^63", place)
            return None
        self._problem(f"{shown(text)} is no {tag}", place)
        return None

    def _problem(self, message: str, place: Place) -> None:
        self.problems.append(Problem(message, place))


def _scalar(tag: str, text: str) -> Content:
    match tag:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        case "float":
            # Python writes infinity and "not a number" without YAML's dot
            return float(re.sub(r"\.(?=[a-zA-Z])", "", text))
    return text
