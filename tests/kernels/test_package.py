"""The names that `graphkd.kernels` offers, and what its import needs."""

import inspect
import subprocess
import sys

import pytest

# files named for their operation, imported before the operation is asked for
import graphkd.kernels.cross_entropy
import graphkd.kernels.infonce
import graphkd.kernels.kl
import graphkd.kernels.linear  # noqa: F401
from graphkd import kernels

OPERATIONS = {
    name: sys.modules[getattr(kernels, name).__module__]
    for name in kernels.__all__
    if inspect.isfunction(getattr(kernels, name))
}
WITH_REFERENCE = [name for name, file in OPERATIONS.items() if hasattr(file, f"{name}_reference")]


def test_every_name_is_what_it_says():
    assert len(set(kernels.__all__)) == len(kernels.__all__)
    for name in kernels.__all__:
        made = getattr(kernels, name)
        assert made.__name__ == name
        assert made.__module__.startswith("graphkd.kernels.")
        assert inspect.isfunction(made) == name.islower()


def test_everything_public_is_listed():
    public = {name for name in vars(kernels) if not name.startswith("_")}
    assert public - set(kernels.__all__) <= {
        name.rpartition(".")[2] for name in sys.modules if name.startswith("graphkd.kernels.")
    }


def test_every_file_is_found_by_its_name():
    for name in ("cross_entropy", "dkd", "infonce", "kl", "nkd", "ofa"):
        assert getattr(sys.modules[f"graphkd.kernels.{name}"], name) is getattr(kernels, name)


def test_references_are_found():
    expected = {"cross_entropy", "dkd", "infonce", "kl", "linear_kd", "nkd", "ofa"}
    assert set(WITH_REFERENCE) == expected


@pytest.mark.parametrize("name", WITH_REFERENCE)
def test_operation_takes_what_its_reference_takes(name):
    file = OPERATIONS[name]
    found, wanted = (
        inspect.signature(getattr(file, each)).parameters for each in (name, f"{name}_reference")
    )
    # how it is computed is the operation's own
    own = {"chunk", "gradient_scale"}
    assert [each for each in found if each not in own] == list(wanted)
    for each in wanted:
        assert found[each].kind == wanted[each].kind
        assert found[each].annotation == wanted[each].annotation


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_says_what_it_is(name):
    operation = getattr(kernels, name)
    assert inspect.getdoc(operation)
    parameters = inspect.signature(operation).parameters.values()
    assert all(each.annotation is not inspect.Parameter.empty for each in parameters)


# a CPU build of PyTorch comes without Triton
PROGRAM = """
import sys

tried = set()

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "triton":
            tried.add("triton")
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
import torch

before = set(sys.modules)
tried.clear()
from graphkd.kernels import KL, CrossEntropy, Head, infonce, kd_logits, linear_kd

print(*tried, *(set(sys.modules) - before))
label, even = torch.tensor([0, 3]), torch.zeros(2, 4)
student = even.clone().requires_grad_()
made = kd_logits(student, [CrossEntropy(), KL()], teachers=[even], label=label)
made.total.backward()
print(f"{made.total.item():.6f} {student.grad[0, 0].item():.6f}")
made = linear_kd(Head(even, torch.zeros(4, 4)), [CrossEntropy()], label=label)
print(f"{made.total.item():.6f}")
print(f"{infonce(even, even, scale=1.0).item():.6f}")
"""


@pytest.fixture(scope="module")
def lines():
    """Run a program of a user without Triton, and give what it prints."""
    made = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return made.stdout.splitlines()


def test_import_is_light(lines):
    # neither what is only for a GPU, nor the compiler, nor what models and graphs need
    heavy = {"triton", "torch._dynamo", "torch._inductor", "timm", "torchvision", "networkx"}
    loaded = set(lines[0].split())
    assert "graphkd.kernels.logits" in loaded
    assert loaded & heavy == set()


def test_losses_work_without_triton(lines):
    # ln 4 of four even classes, with (1/4 - 1) / 2 for the label of one of two rows; ln 2 of two
    # even rows
    assert lines[1:] == ["1.386294 -0.375000", "1.386294", "0.693147"]
