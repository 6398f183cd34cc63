"""Write the student of a finished run for other programs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from graphkd.blueprint import load
from graphkd.errors import did_you_mean, mistake
from graphkd.run.again import open_run
from graphkd.run.folder import BLUEPRINT, require_run, seed_folder, seeds_of
from graphkd.run.formats import ENDINGS, Format, Student, note_of, require_onnx, write


def export_run(
    folder: Path,
    *,
    format: Format = "safetensors",
    out: Path | None = None,
    force: bool = False,
    seed: int | None = None,
) -> list[Path]:
    """Write what a finished run hands back, with the best weights that it found.

    Each model is compared with what was read back from its file before the file is moved to its
    place. Beside a `pt2` or `onnx` file lies `FILE.json`, which says what its input must be.

    Args:
        folder: the run's folder.
        format: `safetensors` holds weights for timm or torchvision, `timm` is a folder for
            `timm.create_model("local-dir:DIR")`, `pt2` is for `torch.export.load`.
        out: the file, or the folder of the `timm` format or of several models; by default
            `export/NAME` with the format's ending, in the run's folder or that of the seed.
        force: replace what lies there.
        seed: which of several; the first by default.

    Returns:
        What was written.

    Raises:
        BlueprintError: the folder is no finished run, something lies at `out`, the model cannot
            be written in this format, or what was written does not compute the same.
    """
    if format not in ENDINGS:
        raise mistake(f"no format '{format}'{did_you_mean(format, ENDINGS)}")
    if format == "onnx":
        require_onnx()
    names, place = _look_up(folder, seed)
    targets = _targets(names, place, format, out)
    _check_targets(targets, format, force=force)
    session = open_run(folder, seed=seed)
    students = [
        Student.of(name, session.parts[node])
        for name, node in zip(names, session.schedule.deliver, strict=True)
    ]
    with _draft_beside(targets[0]) as draft:
        for student, target in zip(students, targets, strict=True):
            write(student, format, draft / target.name)
        return _move(draft, targets[0].parent)


def _look_up(folder: Path, seed: int | None) -> tuple[Sequence[str], Path]:
    """Say how the run's models are called, and where the run of that seed lies."""
    blueprint = load(require_run(folder) / BLUEPRINT)
    seeds = seeds_of(blueprint)
    if seed is not None and seed not in seeds:
        shown = ", ".join(map(str, seeds))
        raise mistake(f"{folder}: no seed {seed} in this run (has {shown})")
    place = seed_folder(folder, blueprint, seeds[0] if seed is None else seed)
    return blueprint.deliver if len(blueprint.deliver) > 1 else ("student",), place


def _targets(names: Sequence[str], place: Path, format: Format, out: Path | None) -> Sequence[Path]:
    files = [f"{name}{ENDINGS[format]}" for name in names]
    if out is None:
        return [place / "export" / file for file in files]
    if len(files) > 1:
        return [out / file for file in files]
    if format != "timm" and (out.is_dir() or out.suffix != ENDINGS[format]):
        better = out / files[0] if out.is_dir() else f"{out}{ENDINGS[format]}"
        raise mistake(f"{out}: is no path of a {ENDINGS[format]} file; write --out {better}")
    return [out]


def _check_targets(targets: Sequence[Path], format: Format, *, force: bool) -> None:
    for path in targets:
        wanted = [path, note_of(path)] if format in ("pt2", "onnx") else [path]
        taken = [each for each in wanted if each.exists()]
        if taken and not force:
            raise mistake(
                f"{taken[0]}: exists already; choose another --out, or --force to replace it"
            )
        if path.exists() and format == "timm" and not _may_replace(path):
            raise mistake(f"{path}: is no timm folder, so --force does not replace it")
        if path.is_dir() and format != "timm":
            raise mistake(f"{path}: is a folder, so --force does not replace it")


def _may_replace(path: Path) -> bool:
    if not path.is_dir():
        return False
    found = {each.name for each in path.iterdir()}
    return not found or {"config.json", "model.safetensors"} <= found


@contextmanager
def _draft_beside(target: Path) -> Iterator[Path]:
    """Make a folder for drafts on the disk of their place; it goes away in the end."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = tempfile.TemporaryDirectory(prefix=".export-", dir=target.parent)
    except OSError as error:
        raise mistake(f"{target}: cannot be written: {error.strerror}") from error
    with draft as name:
        yield Path(name)


def _move(draft: Path, folder: Path) -> list[Path]:
    """Move all drafts to their places, a note before its file."""
    drafts = sorted(draft.iterdir())
    for path in reversed(drafts):
        target = folder / path.name
        if target.is_dir():
            # a folder takes no other's place; the old one goes away with the drafts
            target.rename(draft / f".old-{path.name}")
        path.replace(target)
    return [folder / path.name for path in drafts]
