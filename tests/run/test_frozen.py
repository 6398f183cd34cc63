"""A teacher stays what it was, whatever happens around it."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from graphkd.run.executor import PhaseModule
from graphkd.run.optim import make_optimizer
from graphkd.run.step import PhaseStep
from tests.run.test_plain_loop import KD, batches, run_schedule, start


def state(module):
    return {key: value.clone() for key, value in module.state_dict().items()}


def test_teacher_is_bit_identical_after_training():
    schedule, session = start(KD)
    before = state(session.parts["teacher"])
    run_schedule(schedule, session)
    after = session.parts["teacher"].state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_no_graph_goes_through_the_teacher():
    schedule, session = start(KD)
    module = PhaseModule(schedule.phases[1], session.parts)
    module.activate()
    values = module.forward(next(batches()), [1.0, 1.0])
    seen, stack = set(), [total.grad_fn for total in values.totals]
    leaves = set()
    while stack:
        function = stack.pop()
        if function is None or function in seen:
            continue
        seen.add(function)
        if hasattr(function, "variable"):
            leaves.add(id(function.variable))
        stack += [each for each, _ in function.next_functions]
    assert leaves == {id(p) for p in session.parts["student"].parameters()}


def test_teacher_stays_in_evaluation_mode():
    schedule, session = start(KD)
    module = PhaseModule(schedule.phases[1], session.parts)
    module.activate()
    torch.nn.Sequential(module).train()
    assert not any(each.training for each in session.parts["teacher"].modules())
    assert all(each.training for each in session.parts["student"].modules())


class CountSyncs(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in ("_local_scalar_dense", "nonzero", "is_nonzero", "equal"):
            self.found.append(name)
        return func(*args, **(kwargs or {}))


def test_a_step_never_waits_for_the_device():
    schedule, session = start(KD)
    plan = schedule.phases[1]
    session.optimizer = make_optimizer(plan, session.parts)
    module = PhaseModule(plan, session.parts)
    module.activate()
    step = PhaseStep(plan, session, module, steps_per_epoch=4)
    # on a CPU it looks at once, where there is nothing to wait for
    step.guard.waits = True
    with CountSyncs() as syncs:
        torch.ones(1).item()
    assert syncs.found == ["_local_scalar_dense"]
    with CountSyncs() as syncs:
        for batch, _ in zip(batches(), range(3), strict=False):
            step.run([batch])
    assert syncs.found == []
