"""The picture of who teaches whom: its order, and what is said on its arrows."""

from graphkd.inspect.page.links import figure


def test_who_teaches_stands_before_who_learns(large, inferred):
    found = figure(inferred(large))
    order = [box.name for box in found.boxes]
    assert order.index("council") < order.index("assistant") < order.index("student")
    notes = {link.of: (link.source, link.target, link.title, link.note) for link in found.links}
    assert ("first", "student", "mse", "early · via linear") in notes.values()
    assert (
        "assistant",
        "student",
        "kl",
        "x 0 → 1 in 2 epochs, cosine · logits · every 2 steps",
    ) in (notes.values())
    kinds = [(link.kind, link.source, link.target) for link in found.links]
    assert ("weights", "student", "again") in kinds
    assert ("signal", "first", "council") in kinds
    # two ways of teaching are two arrows
    assert {("knowledge", "student", "peer"), ("knowledge", "peer", "student")} <= set(kinds)
