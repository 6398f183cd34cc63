"""All losses over logits in one launch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from graphkd.component import Launch, Member, Socket, component

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from graphkd.kernels.problem import LogitProblem
    from graphkd.kernels.terms import Term


@component("fusion", "logits")
@attrs.frozen
class LogitFusion:
    """The weighted sum of losses over logits, each student's logits read once.

    A loss takes part with `fusion = "logits"`, ports called student, teacher and label, and a
    method `term(teacher: int)` that gives its term of `graphkd.kernels.terms`.
    """

    def refusal(self, loss: Any, inputs: Mapping[str, Socket]) -> str:
        """Refuse logits of float64: one launch keeps all its sums in one type."""
        wide = [port for port, socket in inputs.items() if socket.dtype == "float64"]
        return f"{wide[0]} is float64, which no launch mixes with other types" if wide else ""

    def build(self, members: Sequence[Member], device: torch.device) -> Launch | None:
        """Sort the losses into problems.

        Args:
            members: the losses.
            device: where the logits are.

        Returns:
            What computes all of them; None where no kernel runs.
        """
        import torch

        from graphkd.kernels.launch import takes_kernel

        if not takes_kernel(torch.empty(0, device=device)):
            return None
        return _LogitLaunch(members, device)


@attrs.define
class _Plan:
    """A problem before its tensors are there: each value as (number of a member, of its port)."""

    student: tuple[int, int]
    terms: list[Term] = attrs.field(factory=list)
    members: list[int] = attrs.field(factory=list)
    teachers: dict[str, tuple[int, int]] = attrs.field(factory=dict)
    label: tuple[int, int] | None = None
    label_name: str = ""

    def takes(self, label: str) -> bool:
        """Say whether a loss with this label, or with none, belongs here."""
        return not (label and self.label_name) or label == self.label_name

    def add(self, number: int, member: Member) -> None:
        """Add the term of a loss, and the values that are new."""
        for place, (port, name) in enumerate(member.reads.items()):
            if port == "teacher":
                self.teachers.setdefault(name, (number, place))
            elif port == "label" and not self.label_name:
                self.label, self.label_name = (number, place), name
        # what compares with the label alone has no teacher, and looks at no number
        teacher = member.reads.get("teacher")
        self.terms.append(member.part.term([*self.teachers, teacher].index(teacher)))
        self.members.append(number)


class _LogitLaunch:
    """Computes losses whose order of values is known."""

    def __init__(self, members: Sequence[Member], device: torch.device) -> None:
        import torch

        self._plans = _plans(members)
        order = [number for plan in self._plans for number in plan.members]
        self._places = [order.index(number) for number in range(len(members))]
        # two labels for one student: its losses are no neighbours in the launch
        self._order = None if order == sorted(order) else torch.tensor(order, device=device)

    def __call__(
        self, arguments: Sequence[Sequence[Tensor]], weights: Tensor, scale: Tensor
    ) -> tuple[Sequence[Tensor], Tensor]:
        """Compute the losses and their weighted sum."""
        from graphkd.kernels.logits import kd_logits_grouped

        problems = [_problem(plan, arguments) for plan in self._plans]
        ordered = weights if self._order is None else weights[self._order]
        total, values = kd_logits_grouped(problems, weights=ordered, gradient_scale=scale)
        losses = values.unbind()
        return [losses[place] for place in self._places], total


def _plans(members: Sequence[Member]) -> list[_Plan]:
    """Make one problem of each student and label; what needs no label joins the first."""
    found: dict[str, list[_Plan]] = {}
    for number, member in enumerate(members):
        ports = list(member.reads)
        of_student = found.setdefault(member.reads["student"], [])
        label = member.reads.get("label", "")
        plan = next((each for each in of_student if each.takes(label)), None)
        if plan is None:
            plan = _Plan((number, ports.index("student")))
            of_student.append(plan)
        plan.add(number, member)
    return [plan for plans in found.values() for plan in plans]


def _problem(plan: _Plan, arguments: Sequence[Sequence[Tensor]]) -> LogitProblem:
    from graphkd.kernels.problem import LogitProblem

    def value(at: tuple[int, int]) -> Tensor:
        member, place = at
        return arguments[member][place]

    return LogitProblem(
        value(plan.student),
        plan.terms,
        [value(at).detach() for at in plan.teachers.values()],
        None if plan.label is None else value(plan.label),
    )
