"""The knowledge view as a picture of its own."""

import xml.etree.ElementTree as ET

from graphkd.inspect import knowledge_svg


def words(drawn):
    found = [each for each in ET.fromstring(drawn).iter() if each.tag.endswith("}text")]
    return [each.text for each in found]


KEY = (
    "knowledge (its gradient stops at the bar)",
    "input",
    "shared weights",
    "trained in some phase",
)


def test_shows_networks_and_losses_and_explains_the_arrows_that_it_has(small, large, inferred):
    said = words(knowledge_svg(inferred(small)))
    assert {"teacher", "student", "cross_entropy", "kl"} <= set(said)
    assert [each for each in KEY if each in said] == [KEY[0], KEY[3]]
    said = words(knowledge_svg(inferred(large)))
    assert [each for each in said if each in KEY] == list(KEY)


def test_brings_its_style_and_follows_dark_readers_unless_told(small, inferred):
    graph = inferred(small)
    assert "prefers-color-scheme:dark" in knowledge_svg(graph)
    light = knowledge_svg(graph, dark=False)
    assert "prefers-color-scheme" not in light
    for look in ("path.knowledge", "path.stop", ".trained", ".delivered"):
        assert f".graphkd {look}{{" in light


def test_the_key_stays_in_the_picture(small, inferred):
    small.flows = small.flows[:2]
    root = ET.fromstring(knowledge_svg(inferred(small)))
    width, height = float(root.get("width")), float(root.get("height"))
    assert root.get("viewBox") == f"0 0 {width:g} {height:g}"
    *_, last = (each for each in root.iter() if each.tag.endswith("}text"))
    assert float(last.get("x")) + 10.5 * 0.63 * len(last.text) <= width
    assert float(last.get("y")) < height
