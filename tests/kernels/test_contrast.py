"""The InfoNCE module: its temperature, and the knowledge of other processes."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from graphkd.kernels.contrast import Contrast
from graphkd.kernels.infonce import infonce, infonce_grouped


def contrast(*, temperature=0.07, **settings):
    given = {"learnable": True, "symmetric": False, "gather": True, **settings}
    return Contrast(temperature=temperature, **given)


def scale_of(module):
    return torch.as_tensor(module.scale).detach()


def value_and_gradients(value, *inputs):
    return value.detach(), *torch.autograd.grad(value, inputs)


def vectors(*sizes, seed=0):
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("learnable", [False, True])
@pytest.mark.parametrize("symmetric", [False, True])
def test_it_is_infonce_at_its_temperature(symmetric, learnable):
    student, teacher, index = vectors(6, 4), vectors(6, 4, seed=1), torch.arange(6) // 2
    module = contrast(temperature=0.2, symmetric=symmetric, learnable=learnable)
    torch.testing.assert_close(
        module(student, teacher), infonce(student, teacher, scale=5.0, symmetric=symmetric)
    )
    torch.testing.assert_close(
        module(student, teacher, index),
        infonce(student, teacher, scale=5.0, symmetric=symmetric, index=index),
    )


def test_each_teacher_row_may_look_for_its_student():
    student, teacher = vectors(6, 4), vectors(6, 4, seed=1)
    module = contrast(temperature=0.2, anchor="knowledge")
    want = infonce(teacher, student, scale=5.0)
    torch.testing.assert_close(module(student, teacher), want)


def test_teacher_gets_no_gradient():
    student, teacher = vectors(6, 4).requires_grad_(), vectors(6, 4, seed=1).requires_grad_()
    contrast()(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad is not None


def test_precisions_that_autocast_mixes_meet_in_the_wider():
    student, teacher = vectors(6, 4).bfloat16(), vectors(6, 4, seed=1)
    module = contrast()
    assert torch.equal(module(student, teacher), module(student.float(), teacher))


def test_its_problem_is_what_it_computes():
    student, teacher, index = vectors(6, 4), vectors(6, 4, seed=1), torch.arange(6) // 2
    modules = [contrast(symmetric=True), contrast(temperature=0.5)]
    problems = [module.problem(student, teacher, index) for module in modules]
    values = torch.stack([module(student, teacher, index).detach() for module in modules])
    torch.testing.assert_close(infonce_grouped(problems).values, values)


def test_learnt_temperature():
    module = contrast()
    assert dict(module.named_parameters()).keys() == {"log_scale"}
    assert module.no_weight_decay() == {"log_scale"}
    # FSDP shards along the first axis and takes no parameter without one
    log_scale = module.get_parameter("log_scale").detach()
    assert log_scale.shape == (1,)
    torch.testing.assert_close(log_scale, torch.tensor([math.log(1 / 0.07)]))
    torch.testing.assert_close(scale_of(module), torch.tensor([1 / 0.07]))


def test_fixed_temperature_has_no_state():
    module = contrast(learnable=False)
    assert not list(module.parameters())
    assert not module.state_dict()
    assert module.no_weight_decay() == set()


def test_gradient_of_the_temperature():
    # d loss / d log_scale = scale * d loss / d scale
    student, teacher = vectors(6, 4), vectors(6, 4, seed=1)
    module = contrast(temperature=0.2)
    (got,) = torch.autograd.grad(module(student, teacher), module.get_parameter("log_scale"))
    scale = torch.tensor([5.0], requires_grad=True)
    (slope,) = torch.autograd.grad(infonce(student, teacher, scale=scale), scale)
    torch.testing.assert_close(got, 5.0 * slope)


@pytest.mark.parametrize("log_scale", [math.log(100.0), 5.0, 60.0])
def test_scale_stops_at_100_and_can_come_back(log_scale):
    module = contrast()
    parameter = module.get_parameter("log_scale")
    with torch.no_grad():
        parameter.fill_(log_scale)
    assert scale_of(module) <= 100
    torch.testing.assert_close(scale_of(module), torch.tensor([100.0]))
    value = module(vectors(6, 4), vectors(6, 4, seed=1))
    (gradient,) = torch.autograd.grad(value, parameter)
    assert gradient != 0


def test_temperature_survives_a_state_dict():
    module, other = contrast(), contrast(temperature=0.5)
    other.load_state_dict(module.state_dict())
    assert torch.equal(scale_of(other), scale_of(module))


def test_settings_are_shown():
    assert repr(contrast()) == (
        "Contrast(temperature=0.07, symmetric=False, gather=True, anchor=student)"
    )


def batch():
    """Make what both processes together hold: 5 + 3 rows, samples 2 and 5 the same."""
    return vectors(8, 3), vectors(8, 3, seed=1), torch.tensor([0, 1, 2, 3, 4, 2, 6, 7])


SHARES = slice(0, 5), slice(5, 8)
CASES = {
    "one": {},
    "two": {"symmetric": True},
    "alone": {"gather": False},
    "teacher": {"anchor": "knowledge"},
    "teacher alone": {"anchor": "knowledge", "gather": False},
}


def work(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    student, teacher, index = (each[SHARES[rank]] for each in batch())
    results = {}
    for name, settings in CASES.items():
        learner = student.clone().requires_grad_()
        module = contrast(**settings)
        value = module(learner, teacher, index)
        results[name] = value_and_gradients(value, learner, module.get_parameter("log_scale"))
    torch.save(results, folder / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


def test_two_processes_with_unequal_shares_have_the_loss_of_the_whole_batch(tmp_path):
    # this file run as a program is one process
    started = [
        subprocess.Popen([sys.executable, __file__, str(rank), str(tmp_path)]) for rank in (0, 1)
    ]
    assert [each.wait(timeout=120) for each in started] == [0, 0]
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    counts = 5 / 8, 3 / 8
    for name, settings in CASES.items():
        student, teacher, index = batch()
        if settings.get("gather", True):
            whole = expected(student, teacher, index, **settings)
            value, log_scale = (
                sum(count * each[name][number] for count, each in zip(counts, found, strict=True))
                for number in (0, 2)
            )
            rows = [count * each[name][1] for count, each in zip(counts, found, strict=True)]
            torch.testing.assert_close((value, torch.cat(rows), log_scale), whole)
        else:
            for own, each in zip(SHARES, found, strict=True):
                alone = expected(student[own], teacher[own], index[own], **settings)
                torch.testing.assert_close(each[name], alone)


def expected(student, teacher, index, *, gather=True, **settings):
    """The value and gradients of one process."""
    learner = student.clone().requires_grad_()
    module = contrast(**settings)
    value = infonce(learner, teacher, scale=module.scale, index=index, **settings)
    return value_and_gradients(value, learner, module.get_parameter("log_scale"))


if __name__ == "__main__":
    work(int(sys.argv[1]), Path(sys.argv[2]))
