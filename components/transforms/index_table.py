"""Values of training samples that are kept by the samples' index."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from graphkd.errors import listing


class IndexTable(nn.Module):
    """Keeps the vector of each sample of one pass.

    The number of samples is that of the pass, or of the state that is loaded.

    Args:
        name: of the component, for messages.
        width: d, size of the vectors.
        dtype: in which they are collected.

    Attributes:
        rows: "i", int64, the row of each index in `stored`; -1 for one that was not seen.
        stored: "n ...", what is kept, by row.
    """

    rows: Tensor
    stored: Tensor

    def __init__(self, name: str, width: int, *, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.name = name
        self.dtype = dtype
        self.register_buffer("rows", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("stored", torch.zeros(0, width, dtype=dtype))
        self._collected: list[tuple[Tensor, Tensor]] = []

    def begin(self) -> None:
        """Forget what was collected."""
        self._collected = []

    def update(self, value: Tensor, index: Tensor) -> None:
        """Add a batch.

        Args:
            value: "b d".
            index: "b", int64, 0 or more.
        """
        # copies, as a batch may be overwritten by the next
        self._collected.append((value.detach().to(self.dtype, copy=True), index.clone()))

    def finish(self) -> None:
        """Keep what was collected, over the batches of all processes.

        Raises:
            ValueError: there was no sample.
        """
        collected, self._collected = self._collected, []
        if not collected:
            raise ValueError(f"{self.name} saw no sample; fit it on those that read it later")
        values, indices = (torch.cat(each) for each in zip(*collected, strict=True))
        collected.clear()
        if dist.is_available() and dist.is_initialized():
            values, indices = _of_all_processes(values), _of_all_processes(indices)
        indices, order = indices.sort(stable=True)
        # samplers repeat a sample where processes would have unequal shares
        first = indices.new_ones(len(indices), dtype=torch.bool)
        first[1:] = indices[1:] != indices[:-1]
        indices, order = indices[first], order[first]
        self.rows = indices.new_full((int(indices[-1]) + 1,), -1)
        self.rows[indices] = torch.arange(len(indices), device=indices.device)
        self.stored = self.encode(values[order])

    def encode(self, values: Tensor) -> Tensor:
        """Make what is kept of the vectors of all samples, "n d" to "n ..."."""
        return values

    def forward(self, index: Tensor) -> Tensor:
        """Give what was seen of each sample.

        Args:
            index: "b", int64.

        Returns:
            "b d", float32.

        Raises:
            ValueError: an index that was not seen; on a GPU an assertion of the device.
        """
        return self.look_up(index).float()

    def look_up(self, index: Tensor) -> Tensor:
        """Give the stored rows of indices, "b" to "b ..."."""
        if index.is_meta:
            return self.stored.new_empty((len(index), *self.stored.shape[1:]), device="meta")
        if not len(self.rows):
            raise ValueError(f"{self.name} was read before it was fitted; fit it in a phase before")
        rows = self.rows[index.clamp(0, len(self.rows) - 1)]
        seen = (rows >= 0) & (index >= 0) & (index < len(self.rows))
        if not index.is_cpu:
            # waits for nothing
            torch._assert_async(seen.all(), f"{self.name} was read at an index it never saw")
        elif not seen.all():
            unseen = listing([str(each) for each in index[~seen].tolist()])
            raise ValueError(
                f"{self.name} never saw the samples {unseen}; fit it on all samples of the phases "
                "that read it"
            )
        return self.stored[rows]

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        for name in ("rows", "stored"):
            found, own = state_dict.get(prefix + name), getattr(self, name)
            if found is not None and found.ndim == own.ndim:
                setattr(self, name, own.new_empty((len(found), *own.shape[1:])))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def _of_all_processes(tensor: Tensor) -> Tensor:
    """Put the rows of all processes, of which each may have another number, one after another."""
    size = torch.tensor([len(tensor)], device=tensor.device)
    sizes = [torch.empty_like(size) for _ in range(dist.get_world_size())]
    dist.all_gather(sizes, size)
    longest = int(torch.cat(sizes).max())
    padded = tensor.new_zeros((longest, *tensor.shape[1:]))
    padded[: len(tensor)] = tensor
    parts = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(parts, padded)
    return torch.cat([part[: int(count)] for part, count in zip(parts, sizes, strict=True)])
