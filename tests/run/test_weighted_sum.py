"""Gradients are those of the weighted sum, which is never computed."""

import pytest
import torch
import torch.nn.functional as F

from tests.run.test_plain_loop import (
    assert_same,
    batches,
    kd,
    normalized,
    plain,
    run_schedule,
    sgd,
    start,
)

FIVE = """\
nodes:
  teacher: {type: teacher, model: tiny, args: {width: 8}}
  student: {type: student, model: tiny}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy, phases: [teach]}
  - {from: data.label, to: student.logits, loss: cross_entropy, weight: 0.1}
  - {from: teacher.logits, to: student.logits, loss: kl, temperature: 4, weight: 0.9}
  - {from: teacher.logits, to: student.logits, loss: kl, temperature: 2, weight: 0.3}
  - {from: teacher.logits, to: student.logits, loss: mse, weight: 0.7}
  - {from: teacher.logits, to: student.logits, loss: kl, temperature: 1, weight: 1.7}
phases: [{name: teach, train: [teacher]}, {name: distil, train: [student]}]
"""


@pytest.mark.parametrize("without", [(), ("fuse",)])
def test_many_losses_on_one_tap_add_up_in_the_order_of_the_sum(without):
    schedule, session = start(FIVE, without)
    teacher, student = plain(session, "teacher").eval(), plain(session, "student")
    optimizer = sgd(student)
    expected = []
    for batch in batches():
        image = normalized(session, batch["image"])
        with torch.no_grad():
            knowledge = teacher(image)
        logits = student(image)
        losses = [
            F.cross_entropy(logits, batch["label"]),
            kd(logits, knowledge, 4.0),
            kd(logits, knowledge, 2.0),
            F.mse_loss(logits, knowledge),
            kd(logits, knowledge, 1.0),
        ]
        weights = (0.1, 0.9, 0.3, 0.7, 1.7)
        sum(weight * loss for weight, loss in zip(weights, losses, strict=True)).backward()
        optimizer.step()
        optimizer.zero_grad()
        expected.append([loss.detach() for loss in losses])
    assert run_schedule(schedule, session) == expected
    assert_same(session, "student", student)
