"""YAML 1.2 is read as it is meant, and hostile text is refused in one error with its place."""

import time
from pathlib import Path

import pytest

from graphkd.blueprint import load, loads
from graphkd.errors import BlueprintError

HEAD = "blueprint: x\ndata: digits\n"

TOO_LARGE = "too large; write an integer below 2^63"


def problems(path):
    with pytest.raises(BlueprintError) as raised:
        load(path)
    assert all(each.place for each in raised.value.problems)
    return [str(each) for each in raised.value.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        (".5e-3", 0.0005),
        ("3.", 3.0),
        ("0o17", 15),
        ("0x1F", 31),
        ("017", 17),
        ("+7", 7),
        ("True", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("Off", "Off"),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("12:30", "12:30"),
        ("2001-01-01", "2001-01-01"),
        ("=", "="),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("!!float 1", 1.0),
        ("!!int '0x1F'", 31),
        ("|\n    two\n    lines", "two\nlines\n"),
    ],
)
def test_values_follow_yaml_1_2(text, value):
    student = f"\n  type: student\n  model: m\n  args:\n   x: {text}\n"
    found = loads(f"{HEAD}nodes:\n a: {student}").nodes["a"].component.args["x"]
    assert found == value
    assert type(found) is type(value)


def test_a_version_line_does_not_bring_yaml_1_1_back():
    assert loads(f"%YAML 1.1\n---\n{HEAD}about: yes").about == "yes"


def test_byte_order_mark_and_windows_lines():
    blueprint = loads("\ufeff" + HEAD.replace("\n", "\r\n") + "about: y\r\n")
    assert blueprint.about == "y"
    assert str(blueprint.place("about")) == "blueprint:3:8"


def test_anchors_are_followed_and_may_be_set_again(recwarn):
    blueprint = loads(
        HEAD + "nodes:\n  a: &x {type: gap}\n  b: *x\n  c: &x {type: agreement}\n  d: *x\n"
    )
    assert blueprint.nodes["b"] == blueprint.nodes["a"]
    assert blueprint.nodes["d"] == blueprint.nodes["c"] != blueprint.nodes["a"]
    assert not recwarn.list


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "b.yaml: is empty; write 'blueprint: NAME' first"),
        ("# only this\n", "b.yaml: is empty; write 'blueprint: NAME' first"),
        ("~", "b.yaml:1:1: a blueprint is a mapping; write 'blueprint: NAME' first"),
        ("[1]", "b.yaml:1:1: a blueprint is a mapping; write 'blueprint: NAME' first"),
        ("word", "b.yaml:1:1: a blueprint is a mapping; write 'blueprint: NAME' first"),
        ("a: 1\n---\nb: 2", "b.yaml:2:1: not valid YAML: several documents; a blueprint is one"),
        ("a: [1", "b.yaml:1:6: not valid YAML: expected ',' or ']', but got '<stream end>'"),
        (
            "a:\n\t- b",
            "b.yaml:2:1: not valid YAML: found character '\\t' that cannot start any token",
        ),
        ("a: *x", "b.yaml:1:4: not valid YAML: found undefined alias 'x'"),
        ("a: b\x00", "b.yaml:1:5: not valid YAML: character #x0000"),
        ("a: 1\nb: c\ud800", "b.yaml:2:5: not valid YAML: character #xd800"),
        (
            "%YAML 9.9\n---\na: 1",
            "b.yaml:1:1: not valid YAML: found incompatible YAML document "
            "(version 1.* is required)",
        ),
        ("a: &a [*a]", "b.yaml:1:4: an alias that holds itself"),
        ("&a {b: *a}", "b.yaml:1:1: an alias that holds itself"),
    ],
)
def test_what_is_no_blueprint_at_all(mistakes, text, problem):
    assert mistakes(text) == [problem]


NOT_PLAIN = "cannot stand here: a blueprint is plain data"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("about: x\n§about: y", "key 'about' is written twice, first in line 3"),
        (
            "about: §!!python/object/apply:os.system [touch executed]",
            f"tag '!!python/object/apply:os.system' {NOT_PLAIN}",
        ),
        ("about: §!!python/name:os.system", f"tag '!!python/name:os.system' {NOT_PLAIN}"),
        ("about: §!x y", f"tag '!x' {NOT_PLAIN}"),
        ("about: §!!binary aGk=", f"tag '!!binary' {NOT_PLAIN}"),
        ("nodes: §!!set {a}", f"tag '!!set' {NOT_PLAIN}"),
        ("nodes: §!!map [a]", f"tag '!!map' {NOT_PLAIN}"),
        ("§!x about: y", "a key is a plain word"),
        ("? §[a]\n: b", "a key is a plain word"),
        ("nodes: {§<<: {}}", "'<<' is not YAML 1.2; write the keys, or extends: FILE"),
        ("about: §!!int x", "'x' is no int"),
        ("about: §!!null x", "'x' is no null"),
        (f"train: {{seed: §{'9' * 5000}}}", f"'{'9' * 57}…' is {TOO_LARGE}"),
        (f"train: {{seed: §{2**63}}}", f"'{2**63}' is {TOO_LARGE}"),
    ],
)
def test_what_a_blueprint_may_not_hold(mistake, tmp_path, monkeypatch, text, said):
    monkeypatch.chdir(tmp_path)
    assert mistake(HEAD + text) == said
    assert not list(tmp_path.iterdir())


def test_unreadable_values_are_reported_beside_all_others(mistakes):
    assert mistakes("about: !x y\nblueprint: 3\ndata: digits\nblueprint: x\n") == [
        "b.yaml:1:8: tag '!x' cannot stand here: a blueprint is plain data",
        "b.yaml:2:12: blueprint is 3, not a text; put it in quotes",
        "b.yaml:4:1: key 'blueprint' is written twice, first in line 2",
    ]


def laughs(leaf):
    """Nine levels, each nine times the one before: 387 million leaves in half a kilobyte."""
    lines = [f"a: &a {leaf}"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (laughs("[x, x]"), "b.yaml:1:8: is larger than 1 MB once its aliases are followed"),
        (laughs("{x: y}"), "b.yaml:2:4: is larger than 1 MB once its aliases are followed"),
        (
            f"a: &a {'x' * 90_000}\nb: [{', '.join(['*a'] * 2000)}]",
            "b.yaml:1:4: is larger than 1 MB once its aliases are followed",
        ),
        ("[" * 100_000, "b.yaml:1:51: more than 50 levels deep"),
        ("a: " + "[" * 60 + "]" * 60, "b.yaml:1:53: more than 50 levels deep"),
        ("- " * 5000, "b.yaml:1:101: more than 50 levels deep"),
        ("? " * 5000, "b.yaml:1:101: more than 50 levels deep"),
    ],
    ids=["lists", "mappings", "long text", "brackets", "60 brackets", "dashes", "keys"],
)
def test_bombs_are_refused_fast(mistakes, text, problem):
    start = time.process_time()
    assert mistakes(text) == [problem]
    assert time.process_time() - start < 1


def test_files_that_are_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "image.yaml").write_bytes(b"\x89PNG\r\n")
    (tmp_path / "wide.yaml").write_text(HEAD, encoding="utf-16")
    (tmp_path / "large.yaml").write_bytes(b"#" * 1_000_001)
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    long = "x" * 5000
    assert problems("image.yaml") == ["image.yaml: is no text: byte 0 is not UTF-8"]
    assert problems("wide.yaml") == ["wide.yaml: is no text: byte 0 is not UTF-8"]
    assert problems("large.yaml") == ["large.yaml: is larger than 1 MB; a blueprint is not"]
    assert problems("folder") == ["folder: is a folder, not a blueprint file"]
    assert problems("none.yaml") == ["none.yaml: no such file"]
    assert problems("image.yaml/x") == ["image.yaml/x: no such file"]
    assert problems("loop.yaml") == ["loop.yaml: no such file"]
    assert problems("a\0b") == ["a\0b: no such file"]
    assert problems(long) == [f"{long}: cannot be read: File name too long"]
    assert problems("hintn") == ["hintn: no such file; did you mean 'hinton'?"]


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")]
)
def test_unreadable_file(tmp_path, monkeypatch, error):
    path = tmp_path / "b.yaml"
    path.write_text(HEAD)

    def fail(*_):
        raise error

    monkeypatch.setattr(Path, "open", fail)
    assert problems(path) == [f"{path}: cannot be read: {error.strerror}"]


def test_a_file_goes_before_a_shipped_blueprint_and_that_before_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hinton").mkdir()
    assert load("hinton").blueprint == "hinton"
    (tmp_path / "hinton").rmdir()
    (tmp_path / "hinton").write_text(HEAD)
    assert load("hinton").blueprint == "x"
