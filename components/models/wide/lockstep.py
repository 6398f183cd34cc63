"""Proves on the meta device that a wider model computes copies of what the student computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from graphkd.components.models.wide.copies import Copies, Torn, narrowed
from graphkd.components.models.wide.copies_moves import Step
from graphkd.components.models.wide.copies_rules import SIZED, follow, name_of
from graphkd.components.models.wide.layers import cannot_widen
from graphkd.components.models.wide.recording import (
    LAYOUT,
    Call,
    Record,
    Watching,
    numbers_of,
    tensors,
)


class Follow(Watching):  # type: ignore[no-untyped-call]
    """Runs the wider model beside a record of the student, and follows the copies.

    By induction over the operations: each is the student's own, and where its inputs are copies of
    the student's, so are its outputs. In the end no axis may be widened.

    Args:
        record: of the student.
        known: how the copies lie in the wider model's parameters and buffers.
        copies: r.
    """

    def __init__(self, record: Record, known: Mapping[Tensor, Copies], *, copies: int) -> None:
        super().__init__()
        self.calls = record.calls
        self.copies = copies
        self.place = 0
        self.found = {id(tensor): each for tensor, each in known.items()}

    def check(self, model: nn.Module, image: Tensor) -> None:
        """Run the wider model.

        Raises:
            ComponentError: at the first operation that is not the student's on copies.
        """
        try:
            with self.running(model, image):
                out = model(image)
            self.paths[:] = [self.calls[-1].path]
            if self.place < len(self.calls):
                raise Torn("it does something else with more channels")
            if any(self.known(each) != Copies() for each in tensors(out)):
                raise Torn("its output is the model's; name the last layer in last: [...]")
        except Torn as torn:
            path = self.paths[-1]
            raise cannot_widen(path, model.get_submodule(path), str(torn)) from torn
        except Exception as error:
            path = self.paths[-1]
            module = model.get_submodule(path)
            reason = str(error).partition("\n")[0]
            text = f"it cannot run with more channels ({type(error).__name__}: {reason})"
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                text = "the axis that it sums over is not one of widened channels"
            raise cannot_widen(path, module, text) from error

    def known(self, tensor: Tensor | None) -> Copies:
        """Say how the copies lie in a tensor."""
        return self.found.get(id(tensor), Copies())

    def step(self, operation: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Run one operation and follow the copies through it."""
        wires = self.wires((args, kwargs))
        out = operation(*args, **kwargs)
        outputs = tensors(out)
        self.keep(operation, args, outputs)
        if name_of(operation) in LAYOUT:
            self.found[id(outputs[0])] = self.known(args[0])
            return out
        call = self._next(operation, (args, kwargs), wires)
        followed = len(outputs)
        if any(self.known(each) != Copies() for each in tensors((args, kwargs))):
            step = Step(args, outputs, call.args, self.known, self.copies)
            found = follow(operation, step)
            self.found.update({id(each): own for each, own in zip(outputs, found, strict=False)})
            followed = len(found)
        for each, shape in zip(outputs[:followed], call.shapes, strict=False):
            if narrowed(each.shape, self.known(each).axes, copies=self.copies) != tuple(shape):
                raise Torn("its channels do not come out as copies of the student's")
        return out

    def _next(self, operation: Any, arguments: Any, wires: Sequence[int | None]) -> Call:
        name = name_of(operation)
        call = self.calls[self.place] if self.place < len(self.calls) else None
        if call is None or (call.name, call.wires) != (name, wires):
            raise Torn("it does something else with more channels")
        self.place += 1
        if name not in SIZED and numbers_of(arguments) != call.numbers:
            raise Torn(f"it calls {name} with other numbers when it has more channels")
        return call
