"""Built-in models."""

from graphkd.components.models.assistant import Assistant
from graphkd.components.models.call import Call
from graphkd.components.models.student import Student
from graphkd.components.models.teacher import Teacher

__all__ = ["Assistant", "Call", "Student", "Teacher"]
