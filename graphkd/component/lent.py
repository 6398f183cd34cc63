"""Hold a module that belongs to another node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from torch import nn

Module = TypeVar("Module", bound="nn.Module")


class Lent(Generic[Module]):
    """A module that another node lends: its parameters and state stay those of the lender alone.

    A module that holds this holds no submodule, and copies of it borrow from the same lender.

    Attributes:
        module: what is lent.
    """

    def __init__(self, module: Module) -> None:
        self.module = module

    def __copy__(self) -> Lent[Module]:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Lent[Module]:
        return self
