"""The stores of a phase."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from torch import Tensor

from graphkd.compile.cache import ROW
from graphkd.compile.instructions import Cached
from graphkd.compile.plan import PhasePlan
from graphkd.run.cache.content import content_of, layout_of
from graphkd.run.cache.manifest import key_of
from graphkd.run.cache.place import check_room, folder_of
from graphkd.run.cache.store import Numbers, Store
from graphkd.run.opened import Opened
from graphkd.run.session import Session


@attrs.frozen(eq=False)
class Stores:
    """The stores of a phase, by node.

    Attributes:
        stores: by node.
        makes: names of the values of each.
    """

    stores: Mapping[str, Store] = attrs.field(factory=dict)
    makes: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)

    def read(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Read what is stored of each sample of a batch, for each node that lacks none.

        Args:
            batch: on the CPU.

        Returns:
            The values by `stored` and their name, where the batch's images are.
        """
        found: dict[str, Tensor] = {}
        for node, store in self.stores.items():
            rows = batch[ROW].numpy()
            if store.has(rows).all():
                values = store.read(rows)
                found |= zip(map(stored_name, self.makes[node]), values, strict=True)
        pinned = bool(found) and batch[ROW].is_pinned()
        return {name: each.pin_memory() for name, each in found.items()} if pinned else found


def stored_name(value: str) -> str:
    """Name a stored value in a batch; no tap of the data has a space in its name."""
    return f"stored {value}"


def open_stores(
    plan: PhasePlan, session: Session, opened: Opened, *, indices: Tensor, views: int, seed: int
) -> Stores:
    """Open or make the stores of a phase.

    Args:
        plan: the phase.
        session: with the weights that the phase begins with.
        opened: the data.
        indices: "n" int64, the samples in play.
        views: how many of their augmentations the phase comes to.
        seed: of the run.

    Raises:
        BlueprintError: a store is damaged, or there is no room for what is missing.
    """
    stores, makes = {}, {}
    needed = 0
    for each in plan.instructions:
        if isinstance(each, Cached):
            store = _open(plan, each, session, opened, seed)
            stores[each.node], makes[each.node] = store, each.makes
            for view in range(min(views, each.views)):
                rows = rows_of(indices, view, len(opened.parts.train.samples))
                needed += int((~store.has(rows)).sum()) * store.bytes
    if needed:
        check_room(folder_of(""), needed)
    return Stores(stores, makes)


def _open(plan: PhasePlan, each: Cached, session: Session, opened: Opened, seed: int) -> Store:
    content = content_of(plan, each, session=session, opened=opened, seed=seed)
    rows = len(opened.parts.train.samples) * each.views
    return Store(folder_of(key_of(content)), content, layout_of(plan, each), rows=rows)


def rows_of(indices: Tensor, view: int, samples: int) -> Numbers:
    """List the rows of samples in one view; all samples of a view stand together."""
    rows: Numbers = indices.numpy() + view * samples
    return rows
