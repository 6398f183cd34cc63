"""Processes that start together find each other, whatever those before them have left behind."""

import threading

import pytest
from torch.distributed import HashStore  # type: ignore[attr-defined]

from graphkd.run.roll_call import call_roll
from graphkd.run.world import World


def roll(store, ranks, *, size=3, patience=20.0):
    """Call the roll in some processes at a time; a process that does not hear the end has none."""
    found = {}

    def one(rank):
        try:
            found[rank] = call_roll(store, World(rank, size), patience=patience)
        except RuntimeError as error:
            found[rank] = str(error)

    threads = [threading.Thread(target=one, args=(rank,)) for rank in ranks]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return found


def test_all_get_the_same_name_which_nobody_had_before():
    store = HashStore()
    names = [roll(store, range(3)) for _ in range(3)]
    assert all(len(set(each.values())) == 1 for each in names)
    assert len({each[0] for each in names}) == 3


@pytest.mark.parametrize("died", [[0], [1], [1, 2], [0, 2]])
def test_who_died_at_the_roll_call_is_not_taken_for_who_follows(died):
    store = HashStore()
    gone = roll(store, died, patience=0.3)
    assert all("did not come in 0.3 s" in each for each in gone.values())
    (name,) = set(roll(store, range(3)).values())
    assert "did not come" not in name


def test_another_number_of_processes_may_follow():
    store = HashStore()
    roll(store, range(3))
    (name,) = set(roll(store, range(2), size=2).values())
    assert "did not come" not in name


def test_who_does_not_come_is_named():
    found = roll(HashStore(), [0, 2], patience=0.3)
    assert found[0] == found[2] == "of 3 processes 1 did not come in 0.3 s"
