"""Stores of what frozen nodes compute."""

from graphkd.run.cache.operation import keeping
from graphkd.run.cache.place import clear, found_stores, place
from graphkd.run.cache.store import Store
from graphkd.run.cache.stores import Stores, open_stores, stored_name

__all__ = [
    "Store",
    "Stores",
    "clear",
    "found_stores",
    "keeping",
    "open_stores",
    "place",
    "stored_name",
]
