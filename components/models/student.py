"""The network that learns and that a run hands back."""

from __future__ import annotations

from typing import ClassVar

import attrs

from graphkd.component import component
from graphkd.components.models.model import Model


@component("model", "student")
@attrs.frozen
class Student(Model):
    """The network that learns and that a run hands back."""

    learns: ClassVar[bool] = True
    delivered: ClassVar[bool] = True
