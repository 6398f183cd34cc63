"""The names that `graphkd.kernels` offers."""

import inspect
import subprocess
import sys

import pytest

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


def test_unknown_name_is_an_error():
    with pytest.raises(AttributeError) as caught:
        kernels.nothing  # noqa: B018
    assert str(caught.value) == "module 'graphkd.kernels' has no attribute 'nothing'"


def test_import_does_not_load_torch():
    code = "import sys, graphkd.kernels; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
