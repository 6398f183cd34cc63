"""Write the student of a finished run for other programs, checked to compute the same."""

from __future__ import annotations

import copy
import io
import json
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import attrs
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from graphkd.blueprint import load
from graphkd.component import Network, find_model
from graphkd.errors import did_you_mean, mistake
from graphkd.run import checkpoint
from graphkd.run.again import open_run
from graphkd.run.deliver import write_weights
from graphkd.run.folder import BLUEPRINT, CHECKPOINTS, require_run

Format = Literal["timm", "safetensors", "pt2", "onnx"]
Run = Callable[[Tensor], Tensor]

ENDINGS = {"timm": "-timm", "safetensors": ".safetensors", "pt2": ".pt2", "onnx": ".onnx"}
"""What each format adds to a student's name."""

# neither is the size that the model is traced with
_BATCHES = (1, 3)
_TRACED_BATCH = 2
# onnxruntime merges batch norms into convolutions and adds in another order, which changes float32
# sums by up to some 1e-5 of their size; a wrong operator changes them by more than 1e-2
_ONNX_TOLERANCE = 1e-4


@attrs.frozen(eq=False)
class Student:
    """A delivered model on its own, on the CPU, in evaluation mode.

    Attributes:
        name: how its files are called.
        network: it, with graphkd's taps around it.
        model: a copy as its own library knows it.
    """

    name: str
    network: Network
    model: nn.Module

    @classmethod
    def of(cls, name: str, network: Network) -> Student:
        """Copy a trained network's model."""
        model = copy.deepcopy(network.deliverable()).cpu().eval()
        # else the order of sums would not be that of a model that is loaded from its file
        model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        return cls(name, network, model)

    @property
    def origin(self) -> str:
        """Say which model it is, as a blueprint writes it."""
        passport = self.network.passport()
        library, model = passport["library"], passport["model"]
        return str(model) if library == "registered" else f"{library}/{model}"

    def images(self, count: int) -> Tensor:
        """Make images of noise, "b c h w", normalized as the model expects them."""
        image = self.network.image
        noise = torch.Generator().manual_seed(count)
        pixels = torch.rand(count, image.channels, image.height, image.width, generator=noise)
        mean, std = (torch.tensor(each).view(1, -1, 1, 1) for each in (image.mean, image.std))
        return (pixels - mean) / std


def export_run(
    folder: Path,
    *,
    format: Format = "safetensors",
    out: Path | None = None,
    force: bool = False,
    seed: int | None = None,
) -> list[Path]:
    """Write what a finished run hands back, the best weights of it.

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
        _require_onnx()
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
            _write(student, format, draft / target.name)
        return _move(draft, targets[0].parent)


def _look_up(folder: Path, seed: int | None) -> tuple[Sequence[str], Path]:
    """Say how the run's models are called, and where the run of that seed lies."""
    blueprint = load(require_run(folder) / BLUEPRINT)
    seeds = blueprint.train.seeds or (blueprint.train.seed,)
    if seed is not None and seed not in seeds:
        shown = ", ".join(map(str, seeds))
        raise mistake(f"{folder}: no seed {seed} in this run (has {shown})")
    chosen = seeds[0] if seed is None else seed
    place = folder / f"seed-{chosen}" if len(seeds) > 1 else folder
    if not checkpoint.listed(place / CHECKPOINTS):
        raise mistake(f"{folder}: the run is not finished; go on with: graphkd resume {folder}")
    return blueprint.deliver if len(blueprint.deliver) > 1 else ("student",), place


def _targets(
    names: Sequence[str], place: Path, format: Format, out: Path | None
) -> Sequence[Path]:
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
        taken = [each for each in (path, _note(path)) if each.exists()]
        if taken and not force:
            raise mistake(
                f"{taken[0]}: exists already; choose another --out, or --force to replace it"
            )
        if path.exists() and format == "timm" and not _may_replace(path):
            raise mistake(f"{path}: is no timm folder, so --force does not replace it")
        if path.is_dir() and format != "timm":
            raise mistake(f"{path}: is a folder, so --force does not replace it")


def _may_replace(path: Path) -> bool:
    return path.is_dir() and ((path / "config.json").is_file() or not any(path.iterdir()))


def _note(path: Path) -> Path:
    """Give the path of what is written beside a file about its input."""
    return path.with_name(f"{path.name}.json")


@contextmanager
def _draft_beside(target: Path) -> Iterator[Path]:
    """Make a folder for drafts on the disk of their place; it goes away in the end."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = tempfile.TemporaryDirectory(prefix=".export-", dir=target.parent)
    except OSError as error:
        raise mistake(f"{target}: cannot be written: {error.strerror}") from error
    with draft:
        yield Path(draft.name)


def _move(draft: Path, folder: Path) -> list[Path]:
    """Move all drafts to their places, a note before its file."""
    drafts = sorted(draft.iterdir())
    for number, path in enumerate(reversed(drafts)):
        target = folder / path.name
        if target.is_dir():
            # a folder can only be replaced by an empty one's removal; the old one goes with draft
            target.rename(draft / f".old-{number}")
        path.replace(target)
    return [folder / path.name for path in drafts]


def _write(student: Student, format: Format, path: Path) -> None:
    """Write a student in one format, read it back and compare."""
    match format:
        case "safetensors":
            _write_safetensors(student, path)
        case "timm":
            _write_timm(student, path)
        case "pt2":
            _write_note(student, path, difference=_write_pt2(student, path))
        case "onnx":
            _write_note(student, path, difference=_write_onnx(student, path))


def _write_safetensors(student: Student, path: Path) -> None:
    write_weights(student.network, path)
    model = make_again(student.network.passport())
    # what no library of models makes can only be loaded into a copy
    model = copy.deepcopy(student.model) if model is None else model
    model.load_state_dict(load_file(path), strict=True)
    _compare(student, model.eval(), path)


def make_again(passport: dict[str, Any]) -> nn.Module | None:
    """Make a model as its passport says, with random initial weights.

    Args:
        passport: the JSON text under `graphkd` in the header of a delivered safetensors file.

    Returns:
        The model as plain timm or torchvision makes it; None where the passport names another
        origin.
    """
    import timm
    import torchvision

    name, args = passport["model"], passport["args"]
    with torch.random.fork_rng(devices=[]):
        match passport["library"]:
            case "timm":
                return timm.create_model(name, **args)  # type: ignore[no-any-return]
            case "torchvision":
                return torchvision.models.get_model(name, weights=None, **args)  # type: ignore[no-any-return]
            case "registered":
                return find_model(name)(**args)  # type: ignore[no-any-return]
    return None


def _write_timm(student: Student, path: Path) -> None:
    import timm

    if student.network.passport()["library"] != "timm":
        raise mistake(
            f"{student.name}: only timm's models can be written for timm, not {student.origin}; "
            "write --format safetensors, pt2 or onnx"
        )
    path.mkdir()
    write_weights(student.network, path / "model.safetensors")
    config = json.dumps(_timm_config(student), indent=2)
    (path / "config.json").write_text(config + "\n", encoding="utf-8")
    with torch.random.fork_rng(devices=[]):
        model = timm.create_model(f"local-dir:{path}", pretrained=True)
    _compare(student, model.eval(), path)


def _timm_config(student: Student) -> dict[str, Any]:
    """Say in the form of timm's hub how to make the model and its images.

    The keys are those of timm's `PretrainedCfg`; `squash` is what graphkd does: the whole image is
    brought to the size of the input, whatever its shape.
    """
    passport, image = student.network.passport(), student.network.image
    model: Any = student.model
    known = model.pretrained_cfg
    return {
        "architecture": passport["model"].partition(".")[0],
        "num_classes": model.num_classes,
        "num_features": model.num_features,
        "model_args": passport["args"],
        "pretrained_cfg": {
            "input_size": [image.channels, image.height, image.width],
            "fixed_input_size": known.get("fixed_input_size", False),
            "interpolation": "bilinear",
            "crop_pct": 1.0,
            "crop_mode": "squash",
            "mean": list(image.mean),
            "std": list(image.std),
            "num_classes": model.num_classes,
            "pool_size": None,
            "first_conv": known.get("first_conv"),
            "classifier": known.get("classifier"),
        },
    }


def _write_pt2(student: Student, path: Path) -> float:
    program = _trace(student)
    torch.export.save(program, path)
    return _compare(student, torch.export.load(path).module(), path)


def _trace(student: Student) -> torch.export.ExportedProgram:
    images = student.images(_TRACED_BATCH)
    try:
        with _quiet(), torch.no_grad():
            return torch.export.export(student.model, (images,), dynamic_shapes=_any_batch())
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise mistake(
            f"{student.name}: torch.export cannot follow {student.origin}: "
            f"{type(error).__name__}: {reason}; write --format safetensors"
        ) from error


def _any_batch() -> tuple[dict[int, torch.export.Dim]]:
    return ({0: torch.export.Dim("batch")},)


def _write_onnx(student: Student, path: Path) -> float:
    import onnxruntime

    program = _trace(student)
    with _quiet():
        made = torch.onnx.export(
            program,
            dynamo=True,
            # the sizes are fixed by the program; this keeps the name of the batch
            dynamic_shapes=_any_batch(),
            input_names=["image"],
            output_names=["logits"],
            external_data=False,
            verbose=False,
        )
        assert made is not None
        made.save(path, external_data=False)
    options = onnxruntime.SessionOptions()
    # errors only
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(images: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {"image": images.numpy()})[0])

    return _compare(student, run, path, tolerance=_ONNX_TOLERANCE)


def _require_onnx() -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        try:
            import_module(package)
        except ModuleNotFoundError as error:
            raise mistake(
                f"--format onnx needs the package {package}; "
                "get it with: pip install 'graphkd[onnx]'"
            ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to itself what torch's exporters print, warn and log; errors still rise."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


@torch.no_grad()
def _compare(student: Student, run: Run, path: Path, *, tolerance: float = 0.0) -> float:
    """Compare a student's logits with those of what was read back, on several batch sizes.

    Args:
        student: the truth.
        run: takes images and gives logits.
        path: where it was written.
        tolerance: largest difference of a logit, in parts of the largest logit.

    Returns:
        The largest difference.

    Raises:
        BlueprintError: they differ by more.
    """
    largest = 0.0
    for count in _BATCHES:
        images = student.images(count)
        expected = student.model(images)
        found = run(images)
        same = found.shape == expected.shape
        difference = float((found - expected).abs().max()) if same else float("inf")
        # written so that NaN counts as a difference
        if not difference <= tolerance * float(expected.abs().max()):
            raise mistake(
                f"{path.name}: does not compute the same as {student.origin} (logits differ by "
                f"{difference:.2g} on {count} images), so it was not written"
            )
        largest = max(largest, difference)
    return largest


def _write_note(student: Student, path: Path, *, difference: float) -> None:
    """Write beside a file what its input must be, and how well it was found to agree."""
    image = student.network.image
    with torch.no_grad():
        classes = student.model(student.images(1)).shape[1]
    note = {
        **student.network.passport(),
        "channels": image.channels,
        "classes": classes,
        "input": "b c h w, float32: pixels in [0, 1], resized to size, minus mean, over std",
        "output": "b c, logits",
        "largest_difference": difference,
    }
    with _note(path).open("w", encoding="utf-8") as stream:
        stream.write(json.dumps(note, indent=2) + os.linesep)
