"""Captures work on a CPU as a CUDA graph does: operators on fixed memory, and no Python again."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

WAITING = {
    torch.ops.aten._local_scalar_dense.default,
    torch.ops.aten.equal.default,
    torch.ops.aten.masked_select.default,
    torch.ops.aten.nonzero.default,
}
"""Operators for which the host waits for the device, which no graph can hold."""


class Operators(TorchDispatchMode):
    """Notes each operator with the memory that it reads and writes."""

    def __init__(self, *, refused=WAITING):
        super().__init__()
        self.refused = refused
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function in self.refused:
            raise RuntimeError(f"{function}: operation not permitted when stream is capturing")
        made = function(*args, **(kwargs or {}))
        found = (args, kwargs or {}, made)
        self.seen.append(
            (function, *tree_map_only(torch.Tensor, lambda each: each.detach(), found))
        )
        return made

    @torch.no_grad()
    def replay(self):
        for function, args, kwargs, made in self.seen:
            again = function(*args, **kwargs)
            for old, new in zip(tree_leaves(made), tree_leaves(again), strict=True):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


class Replays:
    """A recorder; capturing leaves no trace in the modules and the random numbers."""

    def __init__(self, modules, *, refused=WAITING):
        self.modules = list(modules)
        self.refused = refused
        self.recorded = 0

    def warm_up(self, work):
        return work()

    def record(self, work):
        found = (each for module in self.modules for each in module.state_dict().values())
        state = [each for each in found if isinstance(each, torch.Tensor)]
        before, random = [each.clone() for each in state], torch.get_rng_state()
        with Operators(refused=self.refused) as operators:
            made = work()
        with torch.no_grad():
            for each, old in zip(state, before, strict=True):
                each.copy_(old)
        torch.set_rng_state(random)
        self.recorded += 1
        return made, operators.replay
