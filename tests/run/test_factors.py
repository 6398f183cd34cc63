import pytest
import torch

from graphkd.blueprint import loads
from graphkd.compile import compile_blueprint
from graphkd.run.factors import StepFactors
from tests.run.small import HEAD

CPU = torch.device("cpu")
THREE = (
    HEAD
    + """\
nodes: {student: {type: student, model: tiny}}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy, weight: 0.25}
  - {from: data.label, to: student.logits, loss: cross_entropy, weight: RAMP}
  - {from: data.label, to: student.logits, loss: cross_entropy, weight: 3}
""".replace("RAMP", "{start: 0, end: 1, epochs: 1}")
)


def factors(launches=()):
    (plan,) = compile_blueprint(loads(THREE)).phases
    return StepFactors(plan, launches, steps_per_epoch=4, device=CPU)


def numbers(tensors):
    return [each.tolist() for each in tensors]


@pytest.mark.parametrize("launches", [(), ([2, 1],), ([1], [2, 0])])
def test_each_loss_has_its_factor_of_the_step(launches):
    made = factors(launches)
    for step, ramp in enumerate((0.0, 0.25, 0.5, 0.75, 1.0, 1.0)):
        made.move_to(step)
        assert numbers(made.of_losses(1.0, None)) == [0.25, ramp, 3]


def test_launches_have_those_of_their_members():
    made = factors(([2, 1], [0]))
    made.move_to(2)
    weights, scale = made.of_launches(1.0, None)
    assert numbers(weights) == [[3, 0.5], [0.25]]
    assert scale.item() == 1


def test_a_batch_counts_by_its_share():
    made = factors(([2, 1],))
    made.move_to(4)
    assert numbers(made.of_losses(0.5, None)) == [0.125, 0.5, 1.5]
    weights, scale = made.of_launches(0.5, None)
    # the share comes with the gradient of the sum
    assert (numbers(weights), scale.item()) == ([[3, 1]], 0.5)
    assert numbers(made.of_losses(1.0, None)) == [0.25, 1, 3]


def test_float16_gradients_are_scaled():
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    made = factors(([2, 1],))
    assert numbers(made.of_losses(0.5, scaler)) == [1, 0, 12]
    weights, scale = made.of_launches(0.5, scaler)
    assert (numbers(weights), scale.item()) == ([[3, 0]], 4)


def test_constant_factors_are_written_once():
    made = factors()
    before = [each.data_ptr() for each in made.of_losses(1.0, None)]
    made.move_to(3)
    assert [each.data_ptr() for each in made.of_losses(1.0, None)] == before


@pytest.mark.parametrize("launches", [(), ([2, 1],), ([1], [2, 0])])
def test_a_part_of_a_batch_counts_for_each_loss_by_its_own_samples(launches):
    made = factors(launches)
    portions = [0.5, 0.25, 0.0]
    made.move_to(4)
    assert numbers(made.of_losses(0.5, None, portions)) == [0.0625, 0.125, 0.0]
    given = made.of_launches(0.5, None, portions)
    whole = [0.125, 0.25, 0.0]
    assert numbers(given.weights) == [[whole[number] for number in each] for each in launches]
    # without portions nothing is left of them
    assert numbers(made.of_losses(1.0, None)) == [0.25, 1.0, 3]
