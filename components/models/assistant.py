"""A network that learns from some and teaches others, and is left behind at the end."""

from __future__ import annotations

from typing import ClassVar

import attrs

from graphkd.component import component
from graphkd.components.models.model import Model


@component("model", "assistant")
@attrs.frozen
class Assistant(Model):
    """A network that learns from some and teaches others, and is left behind at the end."""

    learns: ClassVar[bool] = True
    delivered: ClassVar[bool] = False
