"""Every shipped blueprint: short, checked, and run on real digits to better than chance."""

from pathlib import Path

import attrs
import pytest

from graphkd.blueprint import load, shipped
from graphkd.compile import compile_blueprint
from graphkd.inspect import knowledge_svg, svg
from graphkd.run import train

CHANCE = 0.1
# those in folders are a paper's size, or runs of the results page
SYSTEMS = [name for name in shipped() if "/" not in name]
LONGEST = {"hinton": 15, "fitnets": 20}


@pytest.mark.parametrize("name", shipped())
def test_is_short(name):
    lines = shipped()[name].read_text().splitlines()
    body = [line for line in lines if not line.startswith("#")]
    assert len(body) <= LONGEST.get(name, 40)
    up = "../" * (1 + name.count("/"))
    assert lines[0] == f"# yaml-language-server: $schema={up}docs/blueprint.schema.json"


# those of a paper's size need weights: test_scale_blueprints.py
@pytest.mark.parametrize("name", [each for each in shipped() if not each.startswith("scale/")])
def test_compiles_with_and_without_each_optimization(name):
    blueprint = load(name)
    assert blueprint.blueprint == name.rpartition("/")[2]
    assert blueprint.about
    for without in ((), ("prune",), ("share",), ("fuse",)):
        assert compile_blueprint(blueprint, without=without).phases


@pytest.mark.parametrize("name", shipped())
def test_is_in_the_gallery(name):
    docs = Path(__file__).parent.parent / "docs"
    page = (docs / "gallery.md").read_text(encoding="utf-8")
    about = load(name).about
    if name.startswith("scale/"):
        assert f"- [{name}](../blueprints/{name}.yaml): {about}\n" in page, "run: make gallery"
        return
    pictures = (
        f"![{name}: knowledge](gallery/{name}.knowledge.svg)\n\n![{name}](gallery/{name}.svg)"
    )
    assert f"\n## {name}\n\n{about}\n\n{pictures}\n" in page, "run: make gallery"
    assert (docs / "gallery" / f"{name}.knowledge.svg").exists()
    assert (docs / "gallery" / f"{name}.svg").exists()


@pytest.mark.parametrize("name", ["quickstart", "tcs"])
def test_the_gallery_shows_what_is_drawn_now(name):
    folder = Path(__file__).parent.parent / "docs" / "gallery"
    graph = compile_blueprint(load(name)).graph
    for ending, draw in ((".svg", svg), (".knowledge.svg", knowledge_svg)):
        stored = (folder / f"{name}{ending}").read_text(encoding="utf-8")
        assert stored == draw(graph) + "\n", "run: make gallery"


def shortened(blueprint):
    """A third of the training, one seed."""

    def third(recipe):
        return {
            key: max(1, value // 3) if key in ("epochs", "steps") else value
            for key, value in recipe.items()
        }

    phases = [attrs.evolve(phase, recipe=third(phase.recipe)) for phase in blueprint.phases]
    recipe = attrs.evolve(
        blueprint.train, epochs=max(1, blueprint.train.epochs // 3), seeds=(), seed=0
    )
    return attrs.evolve(blueprint, phases=phases, train=recipe)


@pytest.mark.slow
@pytest.mark.parametrize("name", SYSTEMS)
def test_learns_from_real_digits(name, tmp_path):
    result = train(shortened(load(name)), out=tmp_path / "run")
    found = result.evaluations[0].models
    (handed,) = result.schedule.deliver
    assert found[handed]["top1"] > 3 * CHANCE
    assert (tmp_path / "run" / "student.safetensors").exists()
