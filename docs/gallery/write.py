"""Write docs/gallery.md: every shipped blueprint with its pictures and its lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from graphkd.blueprint import load, shipped
from graphkd.compile import compile_blueprint
from graphkd.inspect import knowledge_svg, svg

HERE = Path(__file__).parent
START = """# Gallery

Every shipped blueprint: who teaches whom (`graphkd render NAME --view knowledge --out NAME.svg`),
what is computed from what (`graphkd render NAME --out NAME.svg`), and its lines. What the marks
mean: [rendering.md](rendering.md). `make gallery` writes this page.
"""
HEADS = {
    "": "",
    "results": """
# Runs of the results page

The systems on equal terms; what came out is in [results.md](results.md).
""",
}
SCALE = """
# In the sizes of the papers

Some of their teachers' weights are yours to bring, so they are not drawn here.

"""
CODE = "```"


def main() -> None:
    """Draw all and write the page."""
    names = list(shipped())
    parts = [START]
    for folder, head in HEADS.items():
        parts.append(head)
        parts += [_entry(name) for name in names if name.rpartition("/")[0] == folder]
    parts += [SCALE, *_links([name for name in names if name.startswith("scale/")])]
    (HERE.parent / "gallery.md").write_text("".join(parts), encoding="utf-8")


def _entry(name: str) -> str:
    blueprint = load(name)
    graph = compile_blueprint(blueprint).graph
    (HERE / name).parent.mkdir(exist_ok=True)
    pictures = {f"{name}.knowledge.svg": knowledge_svg(graph), f"{name}.svg": svg(graph)}
    for file, drawn in pictures.items():
        (HERE / file).write_text(drawn + "\n", encoding="utf-8")
    lines = shipped()[name].read_text(encoding="utf-8").splitlines()
    body = "\n".join(line for line in lines if not line.startswith("# yaml-language-server"))
    return (
        f"\n## {name}\n\n{blueprint.about}\n\n"
        f"![{name}: knowledge](gallery/{name}.knowledge.svg)\n\n![{name}](gallery/{name}.svg)\n\n"
        f"{CODE}yaml\n{body}\n{CODE}\n"
    )


def _links(names: list[str]) -> Iterator[str]:
    for name in names:
        file = f"../blueprints/{name}.yaml"
        yield f"- [{name}]({file}): {load(name).about}\n"


if __name__ == "__main__":
    main()
