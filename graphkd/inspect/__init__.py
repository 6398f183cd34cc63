"""What people see: drawn graphs, the explained schedule, the report of a run."""

from graphkd.inspect.dot import dot
from graphkd.inspect.explain import explain, plan_data
from graphkd.inspect.mermaid import mermaid
from graphkd.inspect.page import page
from graphkd.inspect.report import write_report
from graphkd.inspect.svg import svg

__all__ = ["dot", "explain", "mermaid", "page", "plan_data", "svg", "write_report"]
