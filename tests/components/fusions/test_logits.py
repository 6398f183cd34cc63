"""The fusion of losses over logits: which values make which problem, and what comes out."""

import attrs
import pytest
import torch

from graphkd.component import Member, Socket, kind_of, name_of
from graphkd.components.fusions import LogitFusion
from graphkd.components.losses import DKD, KL, NKD, OFA, CrossEntropy
from graphkd.kernels import logits
from graphkd.kernels.launch import interpreted

CPU = torch.device("cpu")


def member(loss, **reads):
    return Member(loss, reads)


def tensors(*names, rows=5, classes=7):
    """Make a value for each name; what is called label holds class numbers."""
    generator = torch.Generator().manual_seed(0)
    made = {}
    for name in names:
        if name.startswith("label"):
            made[name] = torch.randint(classes, (rows,), generator=generator)
        else:
            made[name] = torch.randn(rows, classes, generator=generator)
    return made


def launched(members, values, weights, scale=1.0):
    """Compute all together; return losses, the total and the gradients of the total."""
    learners = {each.reads["student"] for each in members}
    given = {
        name: value.clone().requires_grad_() if name in learners else value
        for name, value in values.items()
    }
    arguments = [[given[name] for name in each.reads.values()] for each in members]
    with interpreted():
        launch = LogitFusion().build(members, CPU)
        losses, total = launch(arguments, torch.tensor(weights), torch.tensor(scale))
        total.backward(torch.tensor(scale))
    return losses, total, {name: given[name].grad for name in sorted(learners)}


def alone(members, values, weights, scale=1.0):
    """Compute each loss by itself, and the same things from them."""
    learners = sorted({each.reads["student"] for each in members})
    given = {
        name: value.clone().requires_grad_() if name in learners else value
        for name, value in values.items()
    }
    losses = []
    for each in members:
        read = {p: given[n] if p == "student" else values[n] for p, n in each.reads.items()}
        losses.append(each.part(*read.values()))
    total = sum(weight * loss for weight, loss in zip(weights, losses, strict=True))
    (total * scale).backward()
    return [each.detach() for each in losses], total, {name: given[name].grad for name in learners}


S, T = "student.logits", "teacher.logits"
CASES = {
    "one": [member(KL(), student=S, teacher=T)],
    "all of one student": [
        member(CrossEntropy(0.1), student=S, label="label"),
        member(KL(2.0, "reverse"), student=S, teacher=T),
        member(DKD(), student=S, teacher=T, label="label"),
        member(OFA(gamma=1.5), student=S, teacher="other.logits", label="label"),
        member(NKD(), student=S, teacher="other.logits", label="label"),
    ],
    "who teach each other": [
        member(KL(), student="a.logits", teacher="b.logits"),
        member(CrossEntropy(), student="a.logits", label="label"),
        member(KL(), student="b.logits", teacher="a.logits"),
        member(CrossEntropy(), student="b.logits", label="label"),
    ],
    "two labels": [
        member(CrossEntropy(), student=S, label="label"),
        member(DKD(), student=S, teacher=T, label="label of another"),
        member(NKD(), student=S, teacher=T, label="label"),
        member(KL(), student=S, teacher="other.logits"),
        member(CrossEntropy(0.2), student=S, label="label of another"),
    ],
}


@pytest.mark.parametrize("name", CASES)
def test_it_gives_what_the_losses_give_alone(name):
    members = CASES[name]
    values = tensors(*dict.fromkeys(value for each in members for value in each.reads.values()))
    weights = [0.1, 0.9, 2.0, 0.5, 0.3][: len(members)]
    got, total, gradients = launched(members, values, weights, scale=8.0)
    want, expected, slopes = alone(members, values, weights, scale=8.0)
    torch.testing.assert_close(torch.stack(list(got)), torch.stack(want))
    assert not any(each.requires_grad for each in got)
    torch.testing.assert_close(total, expected)
    assert gradients.keys() == slopes.keys()
    for each, gradient in gradients.items():
        torch.testing.assert_close(gradient, slopes[each])


def problems_of(monkeypatch, members):
    """Catch the problems that a launch makes of some losses."""
    caught = []

    def catch(problems, *, weights, gradient_scale):
        caught.append((problems, weights.tolist()))
        return torch.zeros(()), torch.arange(float(sum(len(each.terms) for each in problems)))

    monkeypatch.setattr(logits, "kd_logits_grouped", catch)
    values = tensors(*dict.fromkeys(value for each in members for value in each.reads.values()))
    arguments = [[values[name] for name in each.reads.values()] for each in members]
    with interpreted():
        launch = LogitFusion().build(members, CPU)
    losses, _ = launch(arguments, torch.arange(1.0, 1 + len(members)), torch.ones(()))
    ((problems, weights),) = caught
    return problems, weights, [int(each) for each in losses], values


def test_a_students_losses_are_one_problem_and_a_teacher_stands_there_once(monkeypatch):
    members = CASES["all of one student"]
    problems, weights, _, values = problems_of(monkeypatch, members)
    (problem,) = problems
    assert problem.student is values[S]
    assert problem.label is values["label"]
    assert [each.data_ptr() for each in problem.teachers] == [
        values[T].data_ptr(),
        values["other.logits"].data_ptr(),
    ]
    assert [getattr(each, "teacher", None) for each in problem.terms] == [None, 0, 0, 1, 1]
    assert weights == [1, 2, 3, 4, 5]


def test_another_label_is_another_problem(monkeypatch):
    members = CASES["two labels"]
    problems, weights, places, values = problems_of(monkeypatch, members)
    # what needs no label joins the first
    assert [len(each.terms) for each in problems] == [3, 2]
    assert [each.label for each in problems] == [values["label"], values["label of another"]]
    assert weights == [1, 3, 4, 2, 5]
    # the losses come back in the order of the flows
    assert places == [0, 3, 1, 2, 4]


def test_knowledge_that_learns_is_detached():
    values = tensors(S, T)
    values[T].requires_grad_()
    launched(CASES["one"], values, [1.0])
    assert values[T].grad is None


def test_where_no_kernel_runs_there_is_no_launch():
    assert LogitFusion().build(CASES["one"], CPU) is None


def test_float64_is_refused():
    single, double = (Socket("b c", (2, 10), dtype) for dtype in ("float32", "float64"))
    assert LogitFusion().refusal(KL(), {"student": single, "teacher": single}) == ""
    assert LogitFusion().refusal(KL(), {"student": single, "teacher": double}) == (
        "teacher is float64, which no launch mixes with other types"
    )


def test_it_is_known_as_logits():
    assert (kind_of(LogitFusion), name_of(LogitFusion)) == ("fusion", "logits")
    assert attrs.fields(LogitFusion) == ()
    assert {loss.fusion for loss in (CrossEntropy, DKD, KL, NKD, OFA)} == {"logits"}
