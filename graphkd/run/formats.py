"""The formats that a student is written in, each read back and compared."""

from __future__ import annotations

import copy
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import attrs
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from graphkd.component import Network
from graphkd.errors import mistake
from graphkd.run.deliver import make_again, write_weights

Format = Literal["timm", "safetensors", "pt2", "onnx"]

ENDINGS = {"timm": "-timm", "safetensors": ".safetensors", "pt2": ".pt2", "onnx": ".onnx"}
"""What each format adds to a student's name."""

# neither is the size that the model is traced with
_BATCHES = (1, 3)
_TRACED_BATCH = 2
_ANY_BATCH = ({0: torch.export.Dim("batch")},)
# onnxruntime merges batch norms into convolutions and adds in another order: 2e-6 of the largest
# logit at most in 12 families of models; a wrong operator changes logits by more than 1e-2
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
        # in another memory format sums have another order than in a model read from its file
        model.to(memory_format=torch.contiguous_format)
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


def write(student: Student, format: Format, path: Path) -> None:
    """Write a student in one format, read it back and compare.

    Raises:
        BlueprintError: the model has no such form, or what was written computes something else.
    """
    match format:
        case "safetensors":
            _write_safetensors(student, path)
        case "timm":
            _write_timm(student, path)
        case "pt2":
            _write_note(student, path, difference=_write_pt2(student, path))
        case "onnx":
            _write_note(student, path, difference=_write_onnx(student, path))


def note_of(path: Path) -> Path:
    """Give the path of what is written beside a file about its input."""
    return path.with_name(f"{path.name}.json")


def require_onnx() -> None:
    """Raise BlueprintError when a package is missing that the onnx format needs."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        try:
            import_module(package)
        except ModuleNotFoundError as error:
            raise mistake(
                f"--format onnx needs the package {package}; "
                "get it with: pip install 'graphkd[onnx]'"
            ) from error


def _write_safetensors(student: Student, path: Path) -> None:
    write_weights(student.network, path)
    made = make_again(student.network.passport())
    # what no library of models makes can only be loaded into a copy
    model = copy.deepcopy(student.model) if made is None else made.eval()
    model.load_state_dict(load_file(path), strict=True)
    _compare(student, model, path)


def _write_timm(student: Student, path: Path) -> None:
    import timm

    if student.network.passport()["library"] != "timm":
        raise mistake(
            f"{student.name}: only timm's models have timm's form, not {student.origin}; "
            "write --format safetensors, pt2 or onnx"
        )
    path.mkdir()
    write_weights(student.network, path / "model.safetensors")
    config = json.dumps(_timm_config(student), indent=2)
    (path / "config.json").write_text(config + "\n", encoding="utf-8")
    with _quiet():
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
    torch.export.save(_trace(student), path)
    return _compare(student, torch.export.load(path).module(), path)


def _write_onnx(student: Student, path: Path) -> float:
    import onnxruntime

    program = _trace(student)
    with _following(student, "torch.onnx"):
        made = torch.onnx.export(
            program,
            dynamo=True,
            # the program fixes the sizes; this keeps the name of the batch
            dynamic_shapes=_ANY_BATCH,
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


def _trace(student: Student) -> torch.export.ExportedProgram:
    images = student.images(_TRACED_BATCH)
    with _following(student, "torch.export"), torch.no_grad():
        return torch.export.export(student.model, (images,), dynamic_shapes=_ANY_BATCH)


@contextmanager
def _following(student: Student, exporter: str) -> Iterator[None]:
    """Say which model an exporter cannot follow, and what to write instead."""
    try:
        with _quiet():
            yield
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise mistake(
            f"{student.name}: {exporter} cannot follow {student.origin} "
            f"({type(error).__name__}: {reason}); write --format safetensors"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Drop what the libraries print, warn and log; errors still rise."""
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
def _compare(
    student: Student, run: Callable[[Tensor], Tensor], path: Path, *, tolerance: float = 0.0
) -> float:
    """Compare a student's logits with those of what was read back, on two batch sizes.

    Args:
        student: the truth.
        run: takes images and gives logits.
        path: where it was written.
        tolerance: largest difference of a logit, in parts of the largest logit. The same class wins
            wherever it leads by more than twice that.

    Returns:
        The largest difference.

    Raises:
        BlueprintError: they differ by more.
    """
    largest = 0.0
    for count in _BATCHES:
        images = student.images(count)
        with _plain_attention():
            expected, found = student.model(images), run(images)
        same = found.shape == expected.shape
        difference = float((found - expected).abs().max()) if same else float("inf")
        # written so that NaN is a difference
        if not difference <= tolerance * float(expected.abs().max()):
            raise mistake(
                f"{path.name}: does not compute what {student.origin} does (logits differ by "
                f"{difference:.2g} on {count} images), so it was not written"
            )
        largest = max(largest, difference)
    return largest


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Keep `nn.MultiheadAttention` off its fast path, which no exporter takes.

    It adds in another order: vit_b_32 of torchvision differs by 6e-6 with and without it.
    """
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _write_note(student: Student, path: Path, *, difference: float) -> None:
    """Write beside a file what its input must be, and how far its logits were off."""
    with torch.no_grad():
        classes = student.model(student.images(1)).shape[1]
    note = {
        **student.network.passport(),
        "channels": student.network.image.channels,
        "classes": classes,
        "input": "b c h w, float32: pixels in [0, 1], resized to size, minus mean, over std",
        "output": "b c, logits",
        "largest_difference": difference,
    }
    note_of(path).write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
