"""Shipped blueprints, so short that a test can run them."""

from __future__ import annotations

import attrs

from graphkd.blueprint import load


def short(name, *overrides, steps=2):
    """Load a blueprint and give every phase that trains a few steps on a part of the images."""
    blueprint = load(name, [*overrides, "train.seeds=[]", "data.subset=400"])
    phases = [
        phase
        if phase.fit
        else attrs.evolve(phase, recipe={**_lasting(phase.recipe), "steps": steps})
        for phase in blueprint.phases
    ]
    recipe = attrs.evolve(blueprint.train, steps=steps, warmup_epochs=0, device="cpu")
    return attrs.evolve(blueprint, phases=phases, train=recipe)


def _lasting(recipe):
    return {key: value for key, value in recipe.items() if key not in ("epochs", "steps")}
