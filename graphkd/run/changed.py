"""What is not as it was when a run began: blueprint, software, data, frozen weights."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

import attrs

from graphkd.blueprint import Blueprint, loads
from graphkd.blueprint.diff import diff
from graphkd.errors import BlueprintError, did_you_mean, mistake, shown
from graphkd.inspect.text import one_line

HARMLESS = re.compile(
    r"about|blueprint|train\.(log_every|keep|checkpoint_every|device)|(phases\..+\.)?data\.workers"
)
"""Keys of a blueprint on which no weight depends, but for the device they are computed on."""
EXACT = ("graphkd", "torch", "torchvision", "timm", "triton")
"""Packages that compute; a run does not go on under another version of them unasked."""
HEAD = "changed since the run began:"
UNDO = "undo that, or train into a new folder"


@attrs.frozen
class Difference:
    """One thing that changed.

    Attributes:
        key: what `--allow-changed` calls it.
        line: what it was and is, as `graphkd diff` writes it.
        harmless: the run may go on without being asked.
        exact: the run still computes the same bits.
    """

    key: str
    line: str
    harmless: bool = False
    exact: bool = False


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """List what changed.

    Args:
        before: as a checkpoint has it: `blueprint` as text, `still`, the hashes of frozen models,
            `without`, the passes that are left out, and of a run `versions`, `device`, `processes`,
            `surroundings` and `data`.
        now: the same; what it does not have is not compared.
    """
    return [
        *_of_blueprint(before, now),
        *_of_mapping("versions", before, now),
        *_of_setting("without", before, now),
        *_of_setting("device", before, now, harmless=True),
        *_of_processes(before, now),
        *_of_surroundings(before, now),
        *_of_data(before, now),
        *_of_mapping("weights", before, now, name="still"),
    ]


def _of_blueprint(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    for change in diff(_read(before), _read(now)):
        harmless = HARMLESS.fullmatch(change.path) is not None
        exact = harmless and change.path != "train.device"
        yield Difference(one_line(change.path), one_line(str(change)), harmless, exact)


def _read(made: Mapping[str, Any]) -> Blueprint:
    try:
        # JSON is YAML
        return loads(made["blueprint"])
    except BlueprintError as error:
        versions = made.get("versions", {})
        by = f" by graphkd {versions['graphkd']}" if "graphkd" in versions else ""
        text = f"the blueprint in the checkpoint, written{by}, is none that can be read here"
        raise mistake(f"{text}: {error}") from error


def _of_mapping(
    key: str, before: Mapping[str, Any], now: Mapping[str, Any], *, name: str = ""
) -> Iterator[Difference]:
    """Compare what has a version or a hash by name."""
    one, other = before.get(name or key), now.get(name or key)
    if one is None or other is None:
        return
    for each in [*one, *(new for new in other if new not in one)]:
        if one.get(each) != other.get(each):
            harmless = key == "versions" and each not in EXACT
            line = f"~ {key}.{each}: {_said(one.get(each))} -> {_said(other.get(each))}"
            yield Difference(f"{key}.{each}", one_line(line), harmless)


def _said(value: str | None) -> str:
    return "none" if value is None else value


def _of_setting(
    key: str, before: Mapping[str, Any], now: Mapping[str, Any], *, harmless: bool = False
) -> Iterator[Difference]:
    if key in before and key in now and before[key] != now[key]:
        one, other = (shown(each[key]) for each in (before, now))
        yield Difference(key, one_line(f"~ {key}: {one} -> {other}"), harmless)


def _of_processes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    for each in _of_setting("processes", before, now, harmless=True):
        more = "steps of another size, as each takes data.batch_size, and new random streams"
        yield attrs.evolve(each, line=f"{each.line} ({more})")


def _of_surroundings(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    """Compare how two processes compute, as far as both have told."""
    one, other = (each.get("surroundings", {}) for each in (before, now))
    for name, was in one.items():
        if was != other.get(name, was):
            line = one_line(f"~ {name}: {was} -> {other[name]}")
            yield Difference(f"surroundings.{name}", line, harmless=True)


def _of_data(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    one, other = before.get("data"), now.get("data")
    if one is None or other is None or one == other:
        return
    names = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    was, is_ = (
        "; ".join(f"{name}: {_said(each.get(name))}" for name in names) for each in (one, other)
    )
    yield Difference("data", f"~ data: {was} -> {is_}")


def require_same(
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    *,
    allowed: Collection[str] = (),
    folder: Path | None = None,
) -> list[Difference]:
    """Refuse to go on after a change that nobody allowed.

    Args:
        before: as a checkpoint has it.
        now: what is there.
        allowed: keys of changes that are accepted.
        folder: of the run, for the command that accepts them; None where there is no such command.

    Returns:
        What changed, harmless or allowed.

    Raises:
        BlueprintError: lists what changed and was not allowed.
    """
    found = differences(before, now)
    refused = [each for each in found if not each.harmless and each.key not in allowed]
    if not refused:
        return found
    lines = [f"  {each.line}" for each in refused]
    if folder is None:
        raise mistake("\n".join([HEAD, *lines, UNDO]))
    there = [each.key for each in found]
    # those that were allowed stay in the command
    keys = dict.fromkeys(
        [*(key for key in allowed if key in there), *(each.key for each in refused)]
    )
    words = " ".join(f"--allow-changed {quote(key)}" for key in keys)
    command = f"  graphkd resume {quote(str(folder))} {words}"
    hint = f"{UNDO}; to go on all the same, though no longer exactly:"
    lines += [f"  {each}" for each in unknown(allowed, found)]
    raise mistake("\n".join([f"{folder}: {HEAD}", *lines, hint, command]))


def unknown(allowed: Collection[str], found: Sequence[Difference]) -> list[str]:
    """Name each key that was allowed and is that of no change."""
    there = [each.key for each in found]
    return [_unknown(key, there) for key in dict.fromkeys(allowed) if key not in there]


def _unknown(key: str, there: list[str]) -> str:
    # the last part is often left alone
    near = next((each for each in there if each.rpartition(".")[2] == key), None)
    hint = f"; did you mean '{near}'?" if near else did_you_mean(key, there)
    return one_line(f"--allow-changed {key}: nothing of that name changed{hint}")
