import pytest
import torch

from graphkd.blueprint import loads
from graphkd.compile import compile_blueprint
from graphkd.components.losses import OFA
from graphkd.components.transforms import PseudoLabels

LOGITS = torch.tensor([[4.0, 0.0, 0.0], [0.0, 0.0, 5.0], [0.3, 0.0, 0.0]])


def test_absent_labels_are_the_likeliest_class():
    label = torch.tensor([-1, 1, -1])
    assert PseudoLabels()(LOGITS, label).tolist() == [0, 1, 0]


def test_an_unsure_guess_is_no_label():
    label = torch.tensor([-1, -1, -1])
    assert PseudoLabels(threshold=0.9)(LOGITS, label).tolist() == [0, 2, -1]


@pytest.mark.parametrize("wrong", [-0.1, 1.0])
def test_the_threshold_is_a_probability(wrong):
    with pytest.raises(ValueError, match="threshold"):
        PseudoLabels(threshold=wrong)


def test_ofa_with_gamma_1_is_the_cross_entropy_with_the_teacher_on_all_samples():
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 6, 4, dtype=torch.float64)
    label = torch.tensor([0, -1, 2, -1, -1, 3])
    filled = PseudoLabels()(teacher, label)
    plain = -(teacher.softmax(-1) * student.log_softmax(-1)).sum(-1).mean()
    torch.testing.assert_close(OFA()(student, teacher, filled), plain)


def test_a_loss_reads_them_in_a_blueprint():
    schedule = compile_blueprint(
        loads("""
blueprint: guessed
data: {dataset: fake, size: 8, samples: 40, classes: 4, labels_per_class: 2}
nodes:
  teacher: {type: teacher, model: tiny}
  student: {type: student, model: tiny}
  guess: {type: pseudo_labels, input: teacher.logits}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy}
  - {from: teacher.logits, to: student.logits, loss: ofa, with: {label: guess}}
phases: [{name: teach, train: [teacher]}, {name: learn, train: [student]}]
""")
    )
    (loss,) = (each for each in schedule.phases[1].instructions if type(each).__name__ == "Loss")
    assert [read.value for read in loss.reads] == ["student.logits", "teacher.logits", "guess"]
