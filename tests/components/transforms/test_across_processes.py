"""What is fitted in one pass is the same over two processes as in one."""

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from graphkd.component import Site, Socket
from graphkd.components.models.tailored import Tailored
from graphkd.components.models.tailored_mask import CoordinateMask
from graphkd.components.transforms import Coordinates, HashCode, Recall

COUNT = 11


def samples():
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(COUNT, 5, generator=generator)
    return values, torch.randperm(30, generator=generator)[:COUNT]


def parts():
    site = Site(inputs={"input": (Socket("b d", (2, 5)),)})
    torch.manual_seed(0)
    return [Coordinates(keep=1.0).build(site), Recall().build(site), HashCode(bits=9).build(site)]


def fit(shown):
    """Fit on some of the samples, and drop coordinates by the scores of these."""
    values, index = samples()
    made = parts()
    for part in made:
        part.begin()
    for one in shown:
        batch = slice(one, one + 1)
        made[0].update(values[batch])
        made[1].update(values[batch], index[batch])
        made[2].update(values[batch], index[batch])
    for part in made:
        part.finish()
    mask = CoordinateMask(5, Tailored("student.embedding", "axes", keep=2, rounds=1))
    mask.importance += values[shown].abs().sum(dim=0)
    mask.advance(15, 100, kept=torch.ones(5, dtype=torch.bool))
    return {
        f"{number}.{name}": value
        for number, part in enumerate([*made, mask])
        for name, value in part.state_dict().items()
    }


def work(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    # unequal shares, one sample in both, as samplers make them
    shown = list(range(7)) if rank == 0 else list(range(6, COUNT))
    state = fit(shown)
    torch.save(state, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def work_as_second(_, folder):
    work(1, folder)


def test_two_processes_fit_what_one_fits(tmp_path):
    other = mp.spawn(work_as_second, args=(str(tmp_path),), nprocs=1, join=False)
    work(0, str(tmp_path))
    other.join()
    one, two = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    # coordinates count a repeated sample twice, tables once
    alone = fit([*range(7), *range(6, COUNT)])
    torch.testing.assert_close(one, alone)
    assert int(alone["3.mask"].sum()) == 2
