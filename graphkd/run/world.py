"""Which of the processes that train together this one is."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen
class World:
    """The processes of a run, as plain data.

    Attributes:
        rank: number of this process, from 0.
        size: how many there are.
        local: number of this process on its machine, from 0.
    """

    rank: int = 0
    size: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this process writes files and speaks to the user."""
        return self.rank == 0


ALONE = World()


def world_of(environment: Mapping[str, str]) -> World:
    """Read what torchrun tells its processes; one process, or none of torchrun's, is alone."""
    size = int(environment.get("WORLD_SIZE", "1"))
    # some machines set one of the two for purposes of their own
    if size == 1 or "RANK" not in environment:
        return ALONE
    rank = int(environment["RANK"])
    return World(rank, size, int(environment.get("LOCAL_RANK", rank)))
