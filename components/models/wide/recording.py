"""Keeps what a model does on the meta device, operation by operation."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import attrs
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from graphkd.components.models.wide.copies_rules import is_composite, name_of

# where elements lie in memory differs between widths: these are no steps
LAYOUT = frozenset(("clone", "contiguous", "detach", "alias", "_to_copy", "lift_fresh"))


@attrs.frozen
class Call:
    """One operation of the student.

    Attributes:
        name: the operation's.
        args: positional, with shapes instead of tensors.
        numbers: all arguments that are no tensors.
        wires: where each tensor among the arguments comes from.
        shapes: of its outputs.
        path: the module in whose forward it ran.
    """

    name: str
    args: Sequence[Any]
    numbers: Sequence[Any]
    wires: Sequence[int | None]
    shapes: tuple[torch.Size, ...]
    path: str


def shadow(model: nn.Module) -> nn.Module:
    """Copy a model to the meta device, in eval mode, without copying its tensors first."""
    memo: dict[int, Any] = {}
    for parameter in model.parameters():
        memo[id(parameter)] = nn.Parameter(parameter.detach().to("meta"), requires_grad=False)
    for buffer in model.buffers():
        memo[id(buffer)] = buffer.to("meta")
    return copy.deepcopy(model, memo).eval()


class Watching(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation, and in which module it runs."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.paths: list[str] = [""]
        self.origins: dict[int, int | None] = {}
        self.steps = 0
        # ids stay unique as long as the tensors live
        self.alive: list[Tensor] = []

    def wires(self, arguments: Any) -> list[int | None]:
        """Say where tensors come from: the number of the step, None for what no step made."""
        return [self.origins.get(id(each)) for each in tensors(arguments)]

    def keep(self, operation: Any, args: Sequence[Any], outputs: Sequence[Tensor]) -> None:
        """Note where the outputs of a step come from."""
        if name_of(operation) in LAYOUT:
            self.origins[id(outputs[0])] = self.origins.get(id(args[0]))
        else:
            for each in outputs:
                self.steps += 1
                self.origins[id(each)] = self.steps
        self.alive += outputs

    @contextmanager
    def running(self, model: nn.Module, image: Tensor) -> Iterator[None]:
        """Note the path of the running module."""
        self.alive += [image, *model.parameters(), *model.buffers()]
        self.steps = len(self.alive)
        self.origins.update({id(each): number for number, each in enumerate(self.alive)})
        handles = []
        for path, module in model.named_modules():

            def enter(module: nn.Module, inputs: Any, path: str = path) -> None:
                self.paths.append(path)

            def leave(module: nn.Module, inputs: Any, output: Any) -> None:
                self.paths.pop()

            handles += [
                module.register_forward_pre_hook(enter, prepend=True),
                module.register_forward_hook(leave),
            ]
        try:
            # so that operations arrive before torch splits them up
            with torch.inference_mode(), self:
                yield
        finally:
            for handle in handles:
                handle.remove()

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run one operation, or the series that it stands for."""
        kwargs = kwargs or {}
        if is_composite(operation):
            with self:
                out = operation.decompose(*args, **kwargs)
            if out is not NotImplemented:
                return out
        return self.step(operation, args, kwargs)

    @abstractmethod
    def step(self, operation: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Run one operation."""


class Record(Watching):  # type: ignore[no-untyped-call]
    """Runs the student and keeps its operations.

    Attributes:
        calls: the operations.
        order: paths of the modules in the order in which they first ran.
    """

    def __init__(self, model: nn.Module, image: Tensor) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.order: list[str] = []
        with self.running(model, image):
            model(image)

    def step(self, operation: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Run and keep one operation."""
        # before the operation: it may change a shape in place
        plain = tree_map_only(Tensor, lambda tensor: tensor.shape, tuple(args))
        wires = self.wires((args, kwargs))
        out = operation(*args, **kwargs)
        self.keep(operation, args, tensors(out))
        if self.paths[-1] not in self.order:
            self.order.append(self.paths[-1])
        name = name_of(operation)
        if name not in LAYOUT:
            shapes = tuple(each.shape for each in tensors(out))
            numbers = numbers_of((args, kwargs))
            self.calls.append(Call(name, plain, numbers, wires, shapes, self.paths[-1]))
        return out


def tensors(tree: Any) -> list[Tensor]:
    """List the tensors in nested arguments or outputs."""
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def numbers_of(args: Any) -> list[Any]:
    """Give the arguments that are no tensors and no shapes of tensors."""
    return [leaf for leaf in tree_leaves(args) if not isinstance(leaf, (Tensor, torch.Size))]
