"""Blueprints of any number of nodes."""

import random

from graphkd.blueprint.model import Blueprint, Data, Ramp
from graphkd.components.losses import KL, MSE, CrossEntropy
from graphkd.components.projectors import Linear
from graphkd.components.transforms import Ensemble
from tests.inspect.conftest import Line, Squares, Student, Teacher


def many(count, *, seed=0, pairs=False):
    """Make a blueprint of `count` nodes.

    Args:
        count: from 2; one in four is a frozen teacher, the last is handed back.
        seed: of the dice that choose who teaches whom.
        pairs: a teacher for each student instead, and nothing between the pairs.
    """
    dice = random.Random(seed)
    made = Blueprint(f"many{count}", Data(Squares()), deliver=(f"node{count - 1}",))
    teachers = count // 2 if pairs else max(count // 4, 1)
    known = [made.node(f"node{number}", Teacher(8)) for number in range(teachers)]
    waiting = list(known)
    for number in range(teachers, count):
        name = f"node{number}"
        if not pairs and number % 7 == 3 and teachers > 1 and number < count - 1:
            first, second = dice.sample(known[:teachers], 2)
            waiting.append(made.node(name, Ensemble(), input=(first.logits, second.logits)))
            continue
        learner = made.node(name, Student() if number == count - 1 else Line())
        made.flow(made.batch.label, learner.logits, CrossEntropy(), weight=0.1)
        # nobody stays without a flow
        sources = [waiting.pop() if waiting else dice.choice(known)]
        if not pairs:
            sources.append(dice.choice(known))
        for source in sources:
            _teach(made, source, learner, dice=dice)
        known.append(learner)
    return made


def _teach(made, source, learner, *, dice):
    if isinstance(made.nodes[source.name].component, Ensemble):
        made.flow(source.output, learner.logits, KL())
    elif dice.random() < 0.3:
        made.flow(source.early, learner.early, MSE(), via=Linear())
    else:
        weight = dice.choice([1.0, 0.9, Ramp(0.0, 1.0, epochs=2.0)])
        made.flow(source.logits, learner.logits, KL(), weight=weight)
