"""The style sheet of drawings in which changes are marked."""

from __future__ import annotations

from string import Template

_FORMS = """
.changes .kept{opacity:.78}
.changes .kept .title{font-weight:500}
.changes .added .frame,.changes .added .box,.changes .removed .frame,.changes .removed .box,
.changes .changed .frame,.changes .changed .box{stroke-opacity:1;stroke-width:2}
.changes .removed .frame,.changes .removed .box{stroke-dasharray:6 4}
.changes .removed text{text-decoration:line-through}
.changes .removed path.signal,.changes .removed path.knowledge,.changes .removed path.gradient,
.changes .removed path.weights{stroke-dasharray:1.5 4}
.changes .sign path{stroke-linecap:round;stroke-width:1.8}
"""
_QUIET = Template("""
.changes .frame{fill:$grey;stroke:$grey}
.changes .tap,.changes .projector{fill:$grey}
.changes .objectives,.changes .probes{fill:$grey;stroke:$grey}
.changes path.signal,.changes path.weights,.changes path.knowledge,.changes path.gradient,
.changes path.stop{stroke:$grey}
.changes polygon.signal,.changes polygon.knowledge,.changes polygon.gradient{fill:$grey}
.changes .plate,.changes path.glyph,.changes path.glyph.frozen,.changes path.glyph.trained,
.changes path.glyph.fitted{stroke:$grey}
.changes path.glyph.trained{fill:$grey}
""")
_LOOK = Template("""
.changes .$look .frame,.changes .$look .tap,.changes .$look .projector,
.changes .$look .objectives,.changes .$look .probes{fill:$colour}
.changes .$look .frame,.changes .$look .box,.changes .$look .plate,
.changes .$look .objectives,.changes .$look .probes{stroke:$colour}
.changes .$look .box{fill:$box}
.changes .$look path.signal,.changes .$look path.weights,.changes .$look path.knowledge,
.changes .$look path.gradient{stroke:$colour;stroke-width:2.2}
.changes .$look path.stop{stroke:$colour}
.changes .$look polygon.signal,.changes .$look polygon.knowledge,
.changes .$look polygon.gradient{fill:$colour}
.changes .$look .sign circle{fill:$colour}
.changes .$look .sign path{stroke:$paper}
.changes .$look .more{fill:$colour}
""")
_LIGHT = {
    "paper": "#fff",
    "box": "#fff",
    "grey": "#868e96",
    "added": "#2b8a3e",
    "removed": "#c92a2a",
    "changed": "#c2500a",
}
_DARK = {
    "paper": "#14171a",
    "box": "#1f2428",
    "grey": "#868e96",
    "added": "#69db7c",
    "removed": "#ff8787",
    "changed": "#ffa94d",
}


def change_sheet() -> str:
    """Write the rules for a picture that stands alone, behind `style_sheet`."""
    dark = f"@media (prefers-color-scheme:dark){{{_colours(_DARK)}}}"
    return f"{_FORMS}{_colours(_LIGHT)}{dark}".replace("\n", "")


def themed_change_sheet() -> str:
    """Write the rules for pages whose reader chooses light or dark; so do `var(--added)` and so on.

    It stands behind `themed_sheet`.
    """
    light, dark = (
        "".join(f"--{look}:{each[look]};" for look in ("added", "removed", "changed"))
        for each in (_LIGHT, _DARK)
    )
    parts = (
        f":root{{{light}}}:root[data-theme=dark]{{{dark}}}",
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}",
        _FORMS,
        _colours({name: f"var(--{name})" for name in _LIGHT}),
    )
    return "".join(parts).replace("\n", "")


def _colours(colours: dict[str, str]) -> str:
    looks = (
        _LOOK.substitute(colours, look=look, colour=colours[look])
        for look in ("added", "removed", "changed")
    )
    return _QUIET.substitute(colours) + "".join(looks)
