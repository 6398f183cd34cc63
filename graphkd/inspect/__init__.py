"""What people see: drawn graphs, the explained schedule, the report of a run."""

from graphkd.inspect.drawing.dot import dot
from graphkd.inspect.drawing.mermaid import mermaid
from graphkd.inspect.drawing.svg import svg
from graphkd.inspect.explain import explain, plan_data
from graphkd.inspect.page.page import page
from graphkd.inspect.report.page import write_report

__all__ = ["dot", "explain", "mermaid", "page", "plan_data", "svg", "write_report"]
