"""Built-in models."""

from graphkd.components.models.assistant import Assistant
from graphkd.components.models.call import Call
from graphkd.components.models.dynamic_teacher import DynamicTeacher
from graphkd.components.models.hybrid_assistant import HybridAssistant
from graphkd.components.models.near import Near
from graphkd.components.models.student import Student
from graphkd.components.models.tailored import Tailored
from graphkd.components.models.teacher import Teacher

__all__ = [
    "Assistant",
    "Call",
    "DynamicTeacher",
    "HybridAssistant",
    "Near",
    "Student",
    "Tailored",
    "Teacher",
]
