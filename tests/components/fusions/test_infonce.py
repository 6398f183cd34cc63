"""The fusion of InfoNCE losses: what its modules give alone, in one launch."""

import attrs
import torch

from graphkd.component import Member, Site, kind_of, name_of
from graphkd.components.fusions import InfoNCEFusion
from graphkd.components.losses import InfoNCE
from graphkd.kernels.launch import interpreted

CPU = torch.device("cpu")
WEIGHTS = [0.5, 2.0]


def modules():
    """Make two losses; the second knows the samples by number."""
    return [InfoNCE(temperature=0.1).build(Site()), InfoNCE(symmetric=True).build(Site())]


def arguments():
    """Make the values that each of two losses reads, of different sizes."""
    generator = torch.Generator().manual_seed(0)
    sizes = ((5, 16), (4, 32))
    made = [[torch.randn(size, generator=generator) for _ in range(2)] for size in sizes]
    made[1].append(torch.tensor([3, 1, 3, 2]))
    for student, *_ in made:
        student.requires_grad_()
    return made


def test_it_gives_what_the_modules_give_alone():
    alone, given = modules(), arguments()
    expected = [module(*values) for module, values in zip(alone, given, strict=True)]
    wanted = sum(weight * loss for weight, loss in zip(WEIGHTS, expected, strict=True))
    (8.0 * wanted).backward()
    together, taken = modules(), arguments()
    members = [Member(module, {"student": "s", "teacher": "t"}) for module in together]
    with interpreted():
        launch = InfoNCEFusion().build(members, CPU)
        losses, total = launch(taken, torch.tensor(WEIGHTS), torch.tensor(8.0))
        total.backward(torch.tensor(8.0))
    # products of float32 vectors are exact to about 21 bits, the score is up to 14 times as large
    close = {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(torch.stack(list(losses)), torch.stack(expected).detach(), **close)
    torch.testing.assert_close(total, wanted, **close)
    for (got, *_), (want, *_) in zip(taken, given, strict=True):
        torch.testing.assert_close(got.grad, want.grad, **close)
    for one, other in zip(together, alone, strict=True):
        # the temperature learns too
        torch.testing.assert_close(one.log_scale.grad, other.log_scale.grad, **close)


def test_where_no_kernel_runs_there_is_no_launch():
    assert InfoNCEFusion().build([], CPU) is None


def test_it_is_known_as_infonce():
    assert (kind_of(InfoNCEFusion), name_of(InfoNCEFusion)) == ("fusion", "infonce")
    assert attrs.fields(InfoNCEFusion) == ()
    assert InfoNCEFusion().refusal(InfoNCE(), {}) == ""
