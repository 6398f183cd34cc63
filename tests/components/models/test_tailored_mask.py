"""Scores and rounds; the numbered invariants are those of a tailored coordinate system."""

from __future__ import annotations

import copy

import pytest
import torch
from timm.utils import ModelEmaV3
from torch.nn import functional as F

from graphkd.component import Site, Socket
from graphkd.components.transforms import Coordinates
from tests.components.models.tailored_parts import (
    axes_of,
    embeddings,
    learn,
    student_of,
    tailor,
    vectors,
)


def test_invariant_4_and_6_axes_stay_and_the_active_set_shrinks_as_planned():
    axes = axes_of(vectors())
    before = copy.deepcopy(axes.state_dict())
    network = tailor(axes, keep=3, rounds=4, warmup=0.2, every=0.1)
    embedding, label = embeddings(), torch.arange(8) % 4
    left = learn(network, embedding, label, mimic=vectors(8, seed=2))
    # 12 - 3 = 9 in 4 rounds of 3, the last cut short, after 30, 40 and 50 % of 20 steps
    assert left == [12] * 5 + [9] * 2 + [6] * 2 + [3] * 11
    assert all(torch.equal(before[name], value) for name, value in axes.state_dict().items())


def test_invariant_6_dropped_coordinates_give_the_classifier_no_gradient():
    network = tailor(keep=5)
    network.mask.mask[[1, 4, 11]] = False
    with torch.enable_grad():
        F.cross_entropy(network(embeddings()), torch.arange(8) % 4).backward()
    dropped = ~network.active()
    assert network.classifier.weight.grad[:, dropped].abs().max() == 0
    assert network.classifier.weight.grad[:, ~dropped].abs().min() > 0
    assert network.mask.gate.grad[dropped].abs().max() == 0


def test_default_schedule_halves_the_coordinates_by_the_middle_of_the_phase():
    network = tailor()
    left = learn(network, embeddings(), torch.arange(8) % 4, steps=100)
    # 12 -> 6 in rounds of ceil(6 / 8) = 1, from 10 % on after each 5 %
    changes = {step: left[step - 1] for step in range(2, 101) if left[step - 1] != left[step - 2]}
    assert changes == {15: 11, 20: 10, 25: 9, 30: 8, 35: 7, 40: 6}


@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_short_phases_end_with_the_same_number(steps):
    network = tailor(keep=2)
    left = learn(network, embeddings(), torch.arange(8) % 4, steps=steps)
    assert left[-1] == 2


def test_a_second_phase_drops_no_more():
    network = tailor()
    learn(network, embeddings(), torch.arange(8) % 4, steps=40)
    active = network.active()
    learn(network, embeddings(), torch.arange(8) % 4, steps=40)
    assert torch.equal(network.active(), active)


def test_scores_are_those_of_the_gate_since_the_warmup():
    network = tailor(warmup=0.5, every=0.05)
    embedding, label = embeddings(), torch.arange(8) % 4
    network.mask.gate.uniform_(0.5, 2.0)
    gate = network.mask.gate.clone().requires_grad_()
    (coordinates,) = network.reader(("coordinates",))(embedding)
    with torch.enable_grad():
        loss = F.cross_entropy(network.classifier(gate * coordinates), label)
        (gradient,) = torch.autograd.grad(loss, gate)
        for step in (49, 50, 51, 52):
            F.cross_entropy(network(embedding), label).backward()
            network.advance(step, 100)
    # those of steps 51 and 52, each by itself, though the parameter has added up four
    expected = 2 * (gate * gradient).abs().detach()
    torch.testing.assert_close(network.mask.importance, expected)
    assert expected.min() > 0


def test_only_losses_on_the_logits_score():
    network = tailor()
    with torch.enable_grad():
        aligned, coordinates = network.reader(("aligned", "coordinates"))(embeddings())
        (aligned.square().sum() + coordinates.square().sum()).backward()
    assert network.mask.importance.abs().max() == 0
    assert network.mask.gate.grad is None


@pytest.mark.parametrize("trainable", [True, False])
def test_scores_where_only_some_parameters_are_asked_for(trainable):
    network = tailor(trainable_mask=trainable)
    with torch.enable_grad():
        loss = F.cross_entropy(network(embeddings()), torch.arange(8) % 4)
        torch.autograd.backward([loss], inputs=list(network.parameters()))
    assert network.mask.importance.min() > 0


def test_a_gradient_that_is_not_finite_does_not_score():
    network = tailor()
    with torch.enable_grad():
        (network(embeddings()).sum() * float("inf")).backward()
    assert network.mask.importance.tolist() == [0.0] * 12


def test_among_equals_the_higher_index_goes_first():
    network = tailor(keep=9, rounds=1, warmup=0.0, every=1.0)
    network.mask.importance.fill_(1.0)
    network.mask.importance[[2, 7]] = torch.tensor([0.5, 2.0])
    network.advance(1, 1)
    assert network.active().tolist() == [i not in (2, 10, 11) for i in range(12)]


def test_mask_that_is_not_learnt_stays_one_and_is_scored():
    network = tailor(trainable_mask=False, keep=4)
    learn(network, embeddings(), torch.arange(8) % 4, steps=30)
    assert torch.equal(network.mask.gate, torch.ones(12))
    assert int(network.active().sum()) == 4
    free = tailor(keep=4)
    learn(free, embeddings(), torch.arange(8) % 4, steps=30)
    assert not torch.equal(free.mask.gate, torch.ones(12))


def planted(count=256, *, informative=5, noise=45, seed=0):
    """Vectors whose coordinates are known: five tell the class, the rest is louder noise."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.arange(count) % (informative + 1)
    clean = F.one_hot(label, informative + 1)[:, :informative].float() * 2
    clean += 0.3 * torch.randn(count, informative, generator=generator)
    loud = 1.5 * torch.randn(count, noise, generator=generator)
    place = torch.randperm(informative + noise, generator=generator)
    values = torch.cat([clean, loud], dim=1)[:, place]
    return values, label, {place.tolist().index(i) for i in range(informative)}


@pytest.mark.parametrize("trainable", [True, False])
def test_invariant_7_the_informative_coordinates_survive(trainable):
    values, label, informative = planted()
    axes = axes_of(values)
    # axes along the plain coordinates: the planted ones are then known by number
    axes.mean.zero_()
    axes.basis.copy_(torch.eye(50))
    student = student_of("headed", classes=6, args={"width": 50})
    network = tailor(
        axes,
        student=student,
        width=50,
        keep=5,
        align="identity",
        trainable_mask=trainable,
    )
    learn(network, values, label, steps=120)
    assert set(network.active().nonzero().flatten().tolist()) == informative
    assert (network(values).argmax(dim=1) == label).float().mean() > 0.95


def test_invariant_9_the_same_seed_gives_the_same_set():
    def trained(seed):
        network = tailor(seed=seed)
        learn(network, embeddings(), torch.arange(8) % 4)
        return network.state_dict()

    one, two, other = trained(0), trained(0), trained(1)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["matrix"], other["matrix"])


def test_resume_is_exact():
    axes, student = axes_of(vectors()), student_of()
    embedding, label = embeddings(), torch.arange(8) % 4

    def optimizer_of(network):
        return torch.optim.SGD(network.parameters(), lr=0.05)

    whole = tailor(axes, student=student)
    learn(whole, embedding, label, steps=40, optimizer=optimizer_of(whole))
    first = tailor(axes, student=student)
    with torch.enable_grad():
        optimizer = optimizer_of(first)
        for step in range(1, 14):
            F.cross_entropy(first(embedding), label).backward()
            optimizer.step()
            optimizer.zero_grad()
            first.advance(step, 40)
    second = tailor(axes, student=student, seed=7)
    second.load_state_dict(first.state_dict())
    learn(second, embedding, label, steps=40, first=14, optimizer=optimizer_of(second))
    found, expected = second.state_dict(), whole.state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert int(second.active().sum()) == 6


@pytest.mark.parametrize("frozen", [True, False])
def test_a_copy_scores_for_itself(frozen):
    network = tailor()
    network.requires_grad_(not frozen)
    twin = copy.deepcopy(network)
    assert twin.mask.gate.requires_grad is not frozen
    twin.requires_grad_(True)
    with torch.enable_grad():
        F.cross_entropy(twin(embeddings()), torch.arange(8) % 4).backward()
    assert network.mask.importance.abs().max() == 0
    assert twin.mask.importance.min() > 0


def test_moving_average_follows_the_mask():
    network = tailor(keep=3)
    average = ModelEmaV3(network, decay=0.5)
    learn(network, embeddings(), torch.arange(8) % 4)
    average.update(network)
    assert torch.equal(average.module.active(), network.active())
    expected = average.module(embeddings())
    weight, bias = average.module.folded()
    got = embeddings().double() @ weight.T + bias
    torch.testing.assert_close(got.float(), expected, atol=1e-5, rtol=1e-5)


def test_few_samples_leave_few_coordinates():
    network = tailor(axes_of(vectors(9)))
    assert int(network.active().sum()) == 8
    left = learn(network, embeddings(), torch.arange(8) % 4)
    assert left[-1] == 4
    assert network(embeddings()).isfinite().all()


def test_more_than_there_are_drops_nothing():
    network = tailor(keep=99)
    assert learn(network, embeddings(), torch.arange(8) % 4)[-1] == 12


def test_axes_that_were_never_fitted():
    socket = Socket("b d", (2, 12))
    network = tailor(Coordinates().build(Site(inputs={"input": (socket,)})))
    with pytest.raises(ValueError) as error:
        network.advance(15, 100)
    assert str(error.value) == "'axes' has no direction in use; fit it in a phase before"


def test_compiled_steps_score_the_same():
    plain, compiled = tailor(), tailor()
    embedding, label = embeddings(), torch.arange(8) % 4
    torch.compiler.reset()
    call = torch.compile(compiled, fullgraph=True, backend="aot_eager")
    with torch.enable_grad():
        F.cross_entropy(plain(embedding), label).backward()
        F.cross_entropy(call(embedding), label).backward()
    torch.testing.assert_close(compiled.mask.importance, plain.mask.importance)
    assert plain.mask.importance.min() > 0
