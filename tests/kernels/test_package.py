"""The names that `graphkd.kernels` offers."""

import inspect
import sys

# files named for their operation, imported before the operation is asked for
import graphkd.kernels.cross_entropy
import graphkd.kernels.infonce
import graphkd.kernels.kl  # noqa: F401
from graphkd import kernels


def test_every_name_is_an_operation():
    for name in kernels.__all__:
        assert getattr(kernels, name).__name__ == name


def test_every_file_is_found_by_its_name():
    assert sys.modules["graphkd.kernels.kl"].kl is kernels.kl


def test_every_operation_takes_what_its_reference_takes():
    for name in ("cross_entropy", "infonce", "kl"):
        file = sys.modules[f"graphkd.kernels.{name}"]
        assert inspect.signature(getattr(file, name)) == inspect.signature(
            getattr(file, f"{name}_reference")
        )
