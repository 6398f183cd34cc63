"""Drawings as PNG: their size and colours, and what is said where one cannot be made."""

import io
import sys
from functools import partial

import pytest
import resvg_py
from PIL import Image

from graphkd.cli import main
from graphkd.errors import BlueprintError
from graphkd.inspect import check_png, knowledge_svg, png, svg

BLUE, ORANGE, WHITE, INK = (66, 99, 235), (232, 89, 12), (255, 255, 255), (33, 37, 41)


@pytest.fixture
def fonts():
    try:
        check_png()
    except BlueprintError:
        pytest.skip("no font on this machine; on Debian: apt-get install fonts-dejavu-core")


def opened(made):
    return Image.open(io.BytesIO(made)).convert("RGB")


@pytest.mark.parametrize("draw", [svg, knowledge_svg])
def test_is_light_on_white_paper_and_twice_the_drawing(draw, small, inferred, fonts):
    drawn = draw(inferred(small))
    width, height = (int(drawn.split(f'{side}="')[1].split('"')[0]) for side in ("width", "height"))
    picture = opened(png(drawn))
    assert picture.size == (2 * width, 2 * height)
    assert picture.getpixel((0, 0)) == WHITE
    found = {colour for _, colour in picture.getcolors(1 << 24)}
    assert BLUE in found
    # the letters
    assert INK in found
    assert (ORANGE in found) == (draw is svg)


def test_titles_are_bold(fonts):
    def ink(look):
        drawn = '<svg xmlns="http://www.w3.org/2000/svg" class="graphkd" width="90" height="20">'
        drawn += f'<style>.title{{font-weight:650}}</style><text class="{look}" y="15">mmmm</text>'
        return sum(255 - value for value in opened(png(f"{drawn}</svg>")).convert("L").tobytes())

    assert ink("title") > 1.2 * ink("")


def test_without_a_font_there_is_no_picture_without_words(monkeypatch, small, inferred):
    blind = partial(resvg_py.svg_to_bytes, skip_system_fonts=True)
    monkeypatch.setattr("resvg_py.svg_to_bytes", blind)
    with pytest.raises(BlueprintError) as raised:
        png(svg(inferred(small)))
    assert str(raised.value) == (
        "a png picture needs a font, and this machine has none that is known; "
        "on Debian: apt-get install fonts-dejavu-core"
    )


def test_a_missing_renderer_is_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(SystemExit) as left:
        main(["render", "hinton", "--out", str(tmp_path / "graph.png")])
    assert left.value.code == 1
    assert capsys.readouterr().err == (
        "graphkd: a png picture needs the package resvg-py; "
        "get it with: pip install 'graphkd[pictures]'\n"
    )
    assert not list(tmp_path.iterdir())


def test_render_writes_one(tmp_path, fonts):
    out = tmp_path / "graph.png"
    with pytest.raises(SystemExit) as left:
        main(["render", "hinton", "--view", "knowledge", "--out", str(out)])
    assert left.value.code == 0
    assert opened(out.read_bytes()).size[0] > 400
