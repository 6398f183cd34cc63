"""What people see: drawn graphs, the explained schedule, the report of a run."""

from graphkd.inspect.drawing.data import graph_data
from graphkd.inspect.drawing.dot import dot
from graphkd.inspect.drawing.mermaid import mermaid
from graphkd.inspect.drawing.png import check_png, png
from graphkd.inspect.drawing.svg import svg
from graphkd.inspect.explain import explain, plan_data
from graphkd.inspect.page.page import page
from graphkd.inspect.page.standalone import knowledge_svg
from graphkd.inspect.report.page import write_report

__all__ = [
    "check_png",
    "dot",
    "explain",
    "graph_data",
    "knowledge_svg",
    "mermaid",
    "page",
    "plan_data",
    "png",
    "svg",
    "write_report",
]
