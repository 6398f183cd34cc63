"""A network that already knows: it teaches and is never changed."""

from __future__ import annotations

from typing import ClassVar

import attrs

from graphkd.component import component
from graphkd.components.models.model import Model


@component("model", "teacher")
@attrs.frozen
class Teacher(Model):
    """A network that already knows: it teaches and is never changed."""

    learns: ClassVar[bool] = False
    delivered: ClassVar[bool] = False
