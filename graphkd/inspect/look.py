"""The style sheet of SVG drawings: colours for light and dark pages."""

from __future__ import annotations

from string import Template

_FORMS = """
.graphkd text{font:10.5px Inter,system-ui,sans-serif}
.graphkd .title{font-size:12.5px;font-weight:650}
.graphkd .name{font-size:17px;font-weight:650}
.graphkd .aside{text-anchor:end}
.graphkd .more{font-weight:650}
.graphkd .frame{fill-opacity:.06;stroke-opacity:.4}
.graphkd path{fill:none;stroke-width:1.5}
.graphkd path.halo{stroke-width:4.5}
.graphkd path.knowledge{stroke-dasharray:5 4}
.graphkd path.weights{stroke-dasharray:2 3}
.graphkd path.stop{stroke-width:2}
.graphkd path.glyph{fill:none;stroke-width:1.2;stroke-linecap:round;stroke-linejoin:round}
"""
# no CSS variables: several viewers of SVG files do not know them
_COLOURS = Template("""
.graphkd .paper{fill:$paper}
.graphkd .halo{stroke:$paper}
.graphkd text{fill:$soft}
.graphkd .title,.graphkd .name{fill:$ink}
.graphkd .more{fill:$more}
.graphkd .box{fill:$box;stroke:$edge}
.graphkd .frozen{fill:$blue;stroke:$blue}
.graphkd .delivered{fill:$green;stroke:$green}
.graphkd .trained{fill:$purple;stroke:$purple}
.graphkd .other,.graphkd .probes{fill:$teal;stroke:$teal}
.graphkd .objectives{fill:$orange;stroke:$orange}
.graphkd .tap{fill:$grey}
.graphkd .projector{fill:$purple}
.graphkd path.signal,.graphkd path.weights{stroke:$grey}
.graphkd .plate{fill:$paper;stroke:$orange}
.graphkd .weight{fill:$ink}
.graphkd path.glyph.trained{fill:$purple;fill-opacity:.35}
.graphkd .fitted{stroke:$teal}
.graphkd .shared{stroke:$soft}
.graphkd path.knowledge,.graphkd path.stop{stroke:$blue}
.graphkd path.gradient{stroke:$orange}
.graphkd polygon.signal{fill:$grey}
.graphkd polygon.knowledge{fill:$blue}
.graphkd polygon.gradient{fill:$orange}
""")
_LIGHT = {
    "paper": "#fff",
    "box": "#fff",
    "edge": "#ced4da",
    "ink": "#212529",
    # read on tinted frames too
    "soft": "#5c646b",
    "grey": "#868e96",
    "blue": "#4263eb",
    "orange": "#e8590c",
    "more": "#b8430a",
    "green": "#2b8a3e",
    "purple": "#9c36b5",
    "teal": "#0b7285",
}
_DARK = {
    "paper": "#14171a",
    "box": "#1f2428",
    "edge": "#495057",
    "ink": "#e9ecef",
    "soft": "#adb5bd",
    "grey": "#868e96",
    "blue": "#748ffc",
    "orange": "#ff922b",
    "more": "#ffa94d",
    "green": "#69db7c",
    "purple": "#da77f2",
    "teal": "#3bc9db",
}


def style_sheet(*, dark: bool = True) -> str:
    """Write the rules; each holds only inside a drawing, also when that stands in a page.

    Args:
        dark: follow a reader who wants dark pages; else the drawing is always light.
    """
    rules = _COLOURS.substitute(_DARK)
    parts = ("@media (prefers-color-scheme:dark){", rules, "}") if dark else ()
    return "".join((_FORMS, _COLOURS.substitute(_LIGHT), *parts)).replace("\n", "")


def themed_sheet() -> str:
    """Write the rules for a page whose reader chooses: `data-theme` of the root is light or dark.

    The page may use the colours too, as `var(--blue)`.
    """
    light, dark = (
        "".join(f"--{name}:{colour};" for name, colour in each.items()) for each in (_LIGHT, _DARK)
    )
    names = {name: f"var(--{name})" for name in _LIGHT}
    parts = (
        f":root{{color-scheme:light;{light}}}",
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}",
        "@media (prefers-color-scheme:dark){",
        f":root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}",
        _FORMS,
        _COLOURS.substitute(names),
    )
    return "".join(parts).replace("\n", "")
