"""What pages of changes are made of: a legend, lists of changes."""

from __future__ import annotations

from collections.abc import Iterable

from graphkd.inspect.changes.compare import Change, Changes, Sign
from graphkd.inspect.changes.look import themed_change_sheet
from graphkd.inspect.changes.marks import LOOKS, badge
from graphkd.inspect.document import said

VERTICES, EDGES = ("vertex", "vertices"), ("edge", "edges")
OPEN = 12
"""Longest list that stands open."""

_STYLE = """
.reading { max-width: 1680px; }
.reading .signs { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 12px 0; padding: 0; }
.reading .signs li { display: flex; align-items: center; gap: 6px; list-style: none; }
.reading .list { margin: 6px 0; padding: 0; font-size: .93em; }
.reading .list li { list-style: none; overflow-wrap: anywhere; padding-left: 20px; }
.reading .list b { display: inline-block; width: 16px; margin-left: -20px; font-weight: 700;
  text-align: center; margin-right: 4px; }
.reading b.added { color: var(--added); } .reading b.removed { color: var(--removed); }
.reading b.changed { color: var(--changed); }
.reading summary { cursor: pointer; color: var(--soft); }
.reading table.told { width: 100%; table-layout: fixed; }
.reading table.told td, .reading table.told th { text-align: left; white-space: normal;
  overflow-wrap: anywhere; vertical-align: top; }
.reading table.told :first-child { width: 20px; padding-right: 0; }
.reading table.told td { border-bottom: 1px solid var(--edge); }
"""


def change_style() -> str:
    """Write the rules that pages of changes add to those of all pages."""
    return themed_change_sheet() + _STYLE


def signs() -> str:
    """Say what the signs in the drawings mean."""
    shown = (
        f'<li><svg class="graphkd changes" width="16" height="16"><g class="{look}">'
        f"{badge(sign, 8, 8)}</g></svg>{look}</li>"
        for sign, look in LOOKS.items()
    )
    return f'<ul class="signs">{"".join(shown)}<li class="soft">grey: the same</li></ul>'


def number_of(count: int, of: tuple[str, str]) -> str:
    """Write how many there are: `1 vertex`, `2 vertices`."""
    return f"{count} {of[count != 1]}"


def sign_mark(sign: Sign) -> str:
    """Write the sign of a change in its colour."""
    look = LOOKS[sign]
    return f'<b class="{look}" title="{look}">{sign}</b>'


def change_list(changes: Changes) -> str:
    """List what differs: vertices, then edges; a long list is folded."""
    return _list(VERTICES, changes.vertices) + _list(EDGES, changes.edges)


def _list(of: tuple[str, str], changes: tuple[Change, ...]) -> str:
    if not changes:
        return ""
    unfolded = " open" if len(changes) <= OPEN else ""
    return (
        f"<details{unfolded}><summary>{number_of(len(changes), of)} changed</summary>"
        f'<ul class="list">{"".join(_items(changes))}</ul></details>'
    )


def _items(changes: Iterable[Change]) -> Iterable[str]:
    for each in changes:
        words = f": {'; '.join(each.words)}" if each.words else ""
        yield f"<li>{sign_mark(each.sign)}{said(each.title + words)}</li>"
