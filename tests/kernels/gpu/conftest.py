"""What the tests on a GPU share; without one they are skipped."""

from contextlib import contextmanager

import pytest
import torch

# relative norm of the difference to float64: in float32 JSD is a difference of near numbers, and
# the reference itself is off by 1.1e-5; half precision is rounded once, at the end
TOLERANCES = {torch.float32: 2e-5, torch.float16: 1e-3, torch.bfloat16: 5e-3}


@pytest.fixture(autouse=True)
def gpu():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")


@pytest.fixture
def solve():
    """Return what computes a loss and the gradient of the first input, by a backward."""

    def solved(loss, inputs, *, factor=1.0):
        leaf = inputs[0].detach().requires_grad_()
        value = loss(leaf, *inputs[1:])
        (gradient,) = torch.autograd.grad(factor * value, leaf)
        return value.detach(), gradient

    return solved


@pytest.fixture
def agree(solve):
    """Return what compares a kernel with its reference in float64 on the same rounded inputs."""

    def check(kernel, reference, inputs, *, factor=1.0):
        wide = [each.double() if each.is_floating_point() else each for each in inputs]
        value, gradient = solve(kernel, inputs, factor=factor)
        true_value, true_gradient = solve(reference, wide, factor=factor)
        assert value.dtype == torch.float32
        assert gradient.dtype == inputs[0].dtype
        torch.testing.assert_close(value.double(), true_value, rtol=1e-5, atol=1e-6)
        size = true_gradient.norm()
        off = (gradient.double() - true_gradient).norm()
        # a gradient of exactly 0 has no norm to compare with
        assert off <= TOLERANCES[inputs[0].dtype] * size + 1e-9, f"off by {off / size:.1e}"

    return check


@pytest.fixture
def captured(solve):
    """Return what computes in a CUDA graph, for inputs other than those it was captured with."""

    def run(loss, inputs, others):
        static = [each.clone() for each in inputs]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            solve(loss, static)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            results = solve(loss, static)
        for each, other in zip(static, others, strict=True):
            each.copy_(other)
        graph.replay()
        return [each.clone() for each in results]

    return run


@pytest.fixture
def unsynchronized():
    """Return a context in which waiting for the device is an error."""

    @contextmanager
    def context():
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode("default")

    return context
