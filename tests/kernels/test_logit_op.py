"""The logit kernel under the compiler, exported, and in several processes."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from graphkd.kernels import DKD, KL, OFA, CrossEntropy, LogitProblem, kd_logits, kd_logits_grouped
from graphkd.kernels.launch import interpreted
from graphkd.kernels.logit_op import kd_logits_operator
from graphkd.kernels.terms import from_numbers, to_numbers

TERMS = [CrossEntropy(0.1), KL(0, 2.0, "reverse"), OFA(1, 2.0, 1.5, False), DKD(0)]
WEIGHTS = [0.5, 1.0, 2.0, 0.25]
RUN = {"reference": contextlib.nullcontext, "kernel": interpreted}


def batch(rows=5, classes=10, *, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    student, *teachers = (
        torch.randn(rows, classes, generator=generator, dtype=dtype) for _ in range(3)
    )
    label = torch.randint(-1, classes, (rows,), generator=generator)
    return student.requires_grad_(), teachers, label


def loss(student, teachers, label, weights=WEIGHTS):
    return kd_logits(student, TERMS, teachers=teachers, label=label, weights=weights).total


def expected(student, teachers, label):
    total = loss(student, teachers, label)
    return total.detach(), torch.autograd.grad(total, student)[0]


@pytest.mark.parametrize("term", [*TERMS, KL(3, 1.5, "jensen_shannon")], ids=str)
def test_term_comes_back_from_its_numbers(term):
    assert from_numbers(to_numbers(term)) == term


@pytest.mark.parametrize("run", RUN)
@pytest.mark.parametrize("soft", (False, True))
def test_operator_is_sound(run, soft):
    student, teachers, label = batch()
    label = torch.softmax(teachers[0], dim=1) if soft else label
    numbers = [number for term in TERMS for number in to_numbers(term)]
    arguments = ([student], teachers, [label], torch.tensor(WEIGHTS), torch.ones(1))
    with RUN[run]():
        torch.library.opcheck(kd_logits_operator, (*arguments, [2, 1, 4], numbers))


@pytest.mark.parametrize("backend", ("aot_eager", "inductor"))
@pytest.mark.parametrize("run", RUN)
def test_compiled_as_a_whole(run, backend):
    student, teachers, label = batch()
    total, gradient = expected(student, teachers, label)
    with RUN[run]():
        torch.compiler.reset()
        compiled = torch.compile(loss, backend=backend, fullgraph=True)
        got = compiled(student, teachers, label)
        (found,) = torch.autograd.grad(2.0 * got, student)
    torch.testing.assert_close(got.detach(), total)
    torch.testing.assert_close(found, 2.0 * gradient)


def test_compiled_for_batches_of_any_size():
    made = []

    def counted(graph, inputs):
        made.append(graph)
        return graph

    with interpreted():
        torch.compiler.reset()
        compiled = torch.compile(loss, backend=counted, fullgraph=True, dynamic=True)
        for rows in (5, 8, 11):
            student, teachers, label = batch(rows)
            torch.testing.assert_close(
                compiled(student, teachers, label).detach(), expected(student, teachers, label)[0]
            )
    assert len(made) == 1


class Grouped(nn.Module):
    def forward(self, student, teachers, label):
        one = LogitProblem(student, TERMS, teachers, label)
        two = LogitProblem(student[:, :7].contiguous(), [KL()], [teachers[0][:, :7]])
        made = kd_logits_grouped([one, two])
        return made.total, made.values


@pytest.mark.parametrize("run", RUN)
def test_exported(run):
    student, teachers, label = batch()
    arguments = (student.detach(), teachers, label)
    with RUN[run]():
        program = torch.export.export(Grouped(), arguments)
        got = program.module()(*arguments)
    names = {str(node.target) for node in program.graph.nodes}
    assert ("graphkd.kd_logits.default" in names) == (run == "kernel")
    torch.testing.assert_close(got, Grouped()(*arguments))


class Learner(nn.Module):
    """A classifier and its loss, so that the wrapper sees all of a step."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(6, 10)

    def forward(self, images, teachers, label):
        return loss(self.layer(images), teachers, label)


def images():
    return torch.randn(8, 6, generator=torch.Generator().manual_seed(5))


def gradients_of(model, teachers, label, share):
    model(images()[share], [each[share] for each in teachers], label[share]).backward()
    return [each.grad.clone() for each in model.parameters()]


def work(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    _, teachers, label = batch(8)
    share = slice(4 * rank, 4 * rank + 4)
    found = []
    for compiled in (False, True):
        model = DistributedDataParallel(Learner())
        step = torch.compile(model, backend="aot_eager") if compiled else model
        with interpreted():
            step(images()[share], [each[share] for each in teachers], label[share]).backward()
        found.append([each.grad.clone() for each in model.parameters()])
    torch.save(found, folder / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


def test_two_processes_share_their_gradient(tmp_path):
    # this file run as a program is one process
    started = [
        subprocess.Popen([sys.executable, __file__, str(rank), str(tmp_path)]) for rank in (0, 1)
    ]
    assert [each.wait(timeout=180) for each in started] == [0, 0]
    _, teachers, label = batch(8)
    shares = [gradients_of(Learner(), teachers, label, slice(0, 4))]
    shares.append(gradients_of(Learner(), teachers, label, slice(4, 8)))
    want = [(one + two) / 2 for one, two in zip(*shares, strict=True)]
    for rank in (0, 1):
        for found in torch.load(tmp_path / f"{rank}.pt"):
            torch.testing.assert_close(found, want)


if __name__ == "__main__":
    work(int(sys.argv[1]), Path(sys.argv[2]))
