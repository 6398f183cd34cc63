"""What all pages for reading are made of: one frame, tables, texts made safe.

A page loads nothing and lets no other script run than the one that it is given.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from string import Template

from graphkd.inspect.look import themed_sheet
from graphkd.inspect.text import one_line

_PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="$policy">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title><style>$style</style>$early</head>
<body class="reading">
<header><h1>$title</h1>$tools<button id="theme" title="Light or dark">light / dark</button></header>
$body
<script type="application/json" id="facts">$facts</script>
<script>$script</script>
</body></html>
""")


def document(
    title: str,
    body: str,
    *,
    style: str = "",
    script: str = "",
    facts: object = None,
    tools: str = "",
    early: bool = False,
) -> str:
    """Write a page for reading, light or dark as the reader chooses.

    Args:
        title: of the page, as plain text.
        body: HTML; everything a user wrote in it is escaped already.
        style: rules added to those that all pages share; colours are `var(--blue)` and so on.
        script: run after the page is there; `facts` stands in the element of that id.
        facts: plain data for the script.
        tools: HTML of buttons that stand beside the title.
        early: choose light or dark before anything is drawn, for a page that loads itself anew.

    Returns:
        HTML that needs no network.
    """
    first = resource("graphkd.inspect", "memory.js")
    rest = resource("graphkd.inspect", "document.js") + script
    whole = rest if early else first + rest
    return _PAGE.substitute(
        policy=policy(whole, first=first if early else ""),
        early=f"<script>{first}</script>" if early else "",
        title=said(title),
        tools=tools,
        style=themed_sheet() + resource("graphkd.inspect", "document.css") + style,
        body=body,
        facts=json_text(facts),
        script=whole,
    )


def policy(script: str, style: str | None = None, *, first: str = "") -> str:
    """Allow one script or two, and one style sheet or any; and nothing from anywhere else."""
    # pictures of other programs bring styles and images along
    rest = "'unsafe-inline'; img-src data:" if style is None else _digest(style)
    scripts = " ".join(map(_digest, filter(None, (first, script))))
    return (
        f"default-src 'none'; script-src {scripts}; style-src {rest}; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def json_text(value: object) -> str:
    """Write JSON so that nothing in it ends its element or begins a comment."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def resource(package: str, name: str) -> str:
    """Read a text file that lies in a package."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


def said(text: str) -> str:
    """Make one line of a user's text, safe in HTML."""
    return escape(one_line(text))


def figure(drawn: str, *, name: str = "", caption: str = "") -> str:
    """Show a drawing as wide as the page, but not so small that it cannot be read.

    Args:
        drawn: an `svg` element that says its width.
        name: id of the figure.
        caption: what stands above it.
    """
    width = re.search(r'width="(\d+)"', drawn)
    assert width is not None
    words = f"<figcaption>{said(caption)}</figcaption>" if caption else ""
    own = f' id="{name}"' if name else ""
    return f'<figure{own} class="sized" style="--width: {width[1]}px">{words}{drawn}</figure>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table of plain texts; the first column is at the left, numbers at the right."""
    lines = [_cells("th", head), *(_cells("td", row) for row in rows)]
    return f'<div class="wide"><table>{"".join(lines)}</table></div>'


def _cells(tag: str, texts: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{said(text)}</{tag}>' for text in texts)}</tr>"
