"""Every wrong value, key and name is reported where it stands, with what to write instead."""

from enum import Enum

import attrs
import pytest
from attrs.validators import in_, min_len

from graphkd.blueprint import Ramp, Ref, dumps, loads
from graphkd.component import component
from graphkd.errors import BlueprintError, ComponentError

HEAD = "blueprint: x\ndata: {dataset: digits}\n"


class Shape(Enum):
    ROUND = "round"
    SQUARE = "square"


def flow(text):
    return f"{HEAD}flows:\n  - {{from: a.logits, to: b.logits, {text}}}\n"


def node(text):
    return f"{HEAD}nodes:\n  a: {{type: student, model: m, {text}}}\n"


def data(text):
    return f"blueprint: x\ndata: {{{text}}}\n"


def phase(text):
    return f"{HEAD}phases: [{{name: p, {text}}}]\n"


@pytest.mark.parametrize(
    ("train", "said"),
    [
        ('compile: §"false"', "compile is 'false', not true or false"),
        ("compile: §no", "compile is 'no', not true or false"),
        ("compile: §1", "compile is 1, not true or false"),
        ("epochs: §3.7", "epochs is 3.7, not a whole number"),
        ("epochs: §true", "epochs is true, not a whole number"),
        ("epochs: §'3'", "epochs is '3', not a whole number"),
        ("epochs:§ , lr: 1", "epochs is empty, not a whole number"),
        ("epochs: §0", "epochs is 0, not at least 1; try 10"),
        ("lr: §abc", "lr is 'abc', not a number"),
        ("lr: §true", "lr is true, not a number"),
        ("lr: §[1e-3, 2]", "lr is [0.001, 2], not a number"),
        ("lr: §.inf", "lr is inf, not a finite number"),
        ("lr: §.nan", "lr is nan, not a finite number"),
        ("lr: §1e999", "lr is inf, not a finite number"),
        ("lr: §0", "lr is 0, not above 0; try 0.001"),
        ("lr: §-1e-05", "lr is -1e-05, not above 0; try 0.001"),
        ("decay_rate: §2", "decay_rate is 2, not at most 1; try 0.1"),
        ("momentum: §1", "momentum is 1, not below 1; try 0.9"),
        ("optimizer: §3", "optimizer is 3, not a text; put it in quotes"),
        ("optimizer: §[a]", "optimizer is ['a'], not a text"),
        ("optimizer: §{a: b}", "optimizer is a mapping, not a text"),
        ("seeds: [0, §x]", "seeds 2 is 'x', not a whole number"),
        (
            "schedule: §cosin",
            "schedule is 'cosin', not one of constant, cosine, tanh, step, multistep, "
            "poly; did you mean 'cosine'?",
        ),
        ("precision: §32", "precision is 32, not one of float32, bfloat16, float16"),
    ],
)
def test_values_are_not_guessed(mistake, train, said):
    assert mistake(f"{HEAD}train: {{{train}}}\n") == f"train: {said}"


def test_whole_numbers_may_be_written_as_floats():
    train = loads(HEAD + "train: {steps: 1e3, lr: 1, seeds: 3, milestones: [2.0]}").train
    assert (train.steps, train.lr, train.seeds, train.milestones) == (1000, 1.0, (3,), (2,))
    assert [type(x) for x in (train.steps, train.lr, train.milestones[0])] == [int, float, int]


def test_integers_too_large_for_a_float(mistake):
    assert mistake(f"{HEAD}train: {{lr: §1{'0' * 400}}}\n") == (
        f"'1{'0' * 56}…' is too large; write an integer below 2^63"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "§trian: {}", "unknown key 'trian'; did you mean 'train'?"),
        (
            HEAD + "§zzz: 1",
            "unknown key 'zzz' (has blueprint, data, about, nodes, flows, phases, train, deliver)",
        ),
        (
            node("§wieght_decay: 0"),
            "node 'a': unknown key 'wieght_decay'; did you mean 'weight_decay'?",
        ),
        (node("§arsg: {}"), "node 'a': unknown key 'arsg'; did you mean 'args'?"),
        (flow("loss: kl, §weigth: 2"), "flow 1: unknown key 'weigth'; did you mean 'weight'?"),
        (
            flow("loss: kl, §temprature: 2"),
            "flow 1: unknown key 'temprature'; did you mean 'temperature'?",
        ),
        (
            flow("loss: mse, §zzz: 2"),
            "flow 1: unknown key 'zzz' (has from, to, loss, via, weight, every, phases, into, "
            "with, name)",
        ),
        (
            flow("loss: kl, via: {type: linear, §feature: 2}"),
            "flow 1: unknown key 'feature'; did you mean 'features'?",
        ),
        (
            flow("loss: kl, via: [mlp, {type: linear, §zzz: to}]"),
            "flow 1: unknown key 'zzz' (has type, on, features, bias)",
        ),
        (
            flow("loss: kl, weight: {start: 0, end: 1, epochs: 2, §form: exp}"),
            "flow 1: unknown key 'form' (has start, end, epochs, shape)",
        ),
        (
            data("dataset: digits, §batchsize: 2"),
            "data: unknown key 'batchsize'; did you mean 'batch_size'?",
        ),
        (data("dataset: fake, §clases: 2"), "data: unknown key 'clases'; did you mean 'classes'?"),
        (
            data("dataset: digits, augment: [{type: random_crop, §pading: 2}]"),
            "data: unknown key 'pading'; did you mean 'padding'?",
        ),
        (HEAD + "train: {§epoch: 3}", "train: unknown key 'epoch'; did you mean 'epochs'?"),
        (phase("§epoch: 3"), "phase 'p': unknown key 'epoch'; did you mean 'epochs'?"),
        (
            phase("§seed: 3"),
            "phase 'p': unknown key 'seed' in a phase; it holds for the whole run: "
            "write it under train",
        ),
        (phase("data: {§mixpu: 1}"), "phase 'p': unknown key 'mixpu'; did you mean 'mixup'?"),
        (phase("data: {§dataset: fake}"), "phase 'p': a phase cannot change the data set"),
    ],
)
def test_unknown_keys_have_the_nearest_name(mistake, text, said):
    assert mistake(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("§data: digits", "'blueprint' is missing"),
        ("§blueprint: x", "'data' is missing"),
        ("blueprint: x\ndata:§", "data is empty, not a mapping"),
        ("blueprint: x\ndata: §{batch_size: 3}", "data: 'dataset' is missing"),
        (HEAD + "nodes: {a: §{model: m}}", "node 'a': 'type' is missing"),
        (HEAD + "nodes: {a: §{type: student}}", "node 'a': 'model' is missing"),
        (HEAD + "nodes: {a: §student}", "node 'a': 'model' is missing"),
        (HEAD + "flows: [§{to: a.x, loss: kl}]", "flow 1: 'from' is missing"),
        (HEAD + "flows: [§{from: a, to: b}]", "flow 1: 'loss' is missing"),
        (flow("loss: kl, weight: §{start: 1, end: 2}"), "flow 1: 'epochs' is missing"),
        (flow("loss: kl, via: §{on: to}"), "flow 1: 'type' is missing"),
        (HEAD + "phases: [§{lr: 1}]", "phase 1: 'name' is missing"),
    ],
)
def test_missing_keys(mistake, text, said):
    assert mistake(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            HEAD + "nodes: {a: {type: §techer, model: m}}",
            "node 'a': no node type 'techer'; did you mean 'teacher'?",
        ),
        (HEAD + "nodes: {a: {type: §[x]}}", "node 'a': type is ['x'], not a name"),
        (data("dataset: §digit, size: 3"), "data: no dataset 'digit'; did you mean 'digits'?"),
        ("blueprint: x\ndata: §Digits", "data: no dataset 'Digits'; did you mean 'digits'?"),
        (flow("loss: §KL"), "flow 1: no loss 'KL'; did you mean 'kl'?"),
        (flow("loss: §{type: kl}"), "flow 1: loss is a mapping, not a name"),
        (flow("loss: kl, via: §liner"), "flow 1: no projector 'liner'; did you mean 'linear'?"),
        (
            data("dataset: digits, augment: [§random_flp]"),
            "data: no augmentation 'random_flp'; did you mean 'random_flip'?",
        ),
    ],
)
def test_unknown_components(mistake, text, said):
    assert mistake(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (flow("loss: kl, temperature: §-4"), "flow 1: temperature is -4, not above 0; try 4"),
        (
            flow("loss: kl, via: {type: linear, features: §0}"),
            "flow 1: features is 0, not at least 1",
        ),
        (flow("loss: kl, weight: §x"), "flow 1: weight is 'x', not a number"),
        (flow("loss: kl, every: §0"), "flow 1: every is 0, not at least 1; try 1"),
        (flow("loss: kl, into: §3"), "flow 1: into is 3, not a text; put it in quotes"),
        (
            flow("loss: kl, with: {index: §[a]}"),
            "flow 1: index is ['a'], not a tap; write node.tap, like teacher.logits",
        ),
        (
            HEAD + "nodes: {a: {type: gap, input: [x, §y., 3x]}}",
            "node 'a': input 2 is 'y.', not a tap; write node.tap, like teacher.logits",
        ),
        (node("ema: §1"), "node 'a': ema is 1, not below 1; try 0"),
        (HEAD + "nodes: {a: §3}", "node 'a' is 3, not a mapping"),
        (HEAD + "nodes: §[a]", "nodes is ['a'], not a mapping"),
        (HEAD + "flows: [§kl]", "flow 1 is 'kl', not a mapping"),
        (HEAD + "phases: [§3]", "phase 1 is 3, not a mapping"),
        (HEAD + "train: §3", "train is 3, not a mapping"),
        ("blueprint: x\ndata: §3", "data is 3, not a mapping"),
        (
            data("dataset: image_folder, mean: [0.5, §2, 0.5]"),
            "data: mean 2 is 2, not at most 1; try 0.456",
        ),
        (data("dataset: image_folder, std: §[1]"), "data: std is [1], not a list of 3"),
        (
            data("dataset: image_folder, root: §''"),
            "data: root is '', not of length 1 or more; try data",
        ),
        (
            data("dataset: digits, augment: [{type: random_erasing, ratio: §[2, 1]}]"),
            "data: ratio is [2, 1]: 'ratio' must be above 0 and rising: (2.0, 1.0); try [0.3, 3.3]",
        ),
    ],
)
def test_wrong_values(mistake, text, said):
    assert mistake(text) == said


def test_all_mistakes_at_once_sorted_by_place(mistakes):
    text = """\
blueprint: ../x
data: {dataset: digits, batch_size: 0}
train: {lr: -1, sede: 3}
flows:
  - {from: a.logits, to: b.logits, loss: kl, temperature: -4, weight: "1"}
  - {from: a.logits, to: b.logits, loss: mse, every: 0}
nodes:
  teacher: {type: techer}
  student: {type: student}
abuot: x
"""
    assert mistakes(text) == [
        "b.yaml:1:12: blueprint is '../x': "
        "write letters, digits, '_', '-', '+', '.' or blanks, no '/'",
        "b.yaml:2:37: data: batch_size is 0, not at least 1; try 128",
        "b.yaml:3:13: train: lr is -1, not above 0; try 0.001",
        "b.yaml:3:17: train: unknown key 'sede'; did you mean 'seed'?",
        "b.yaml:5:59: flow 1: temperature is -4, not above 0; try 4",
        "b.yaml:5:71: flow 1: weight is '1', not a number",
        "b.yaml:6:54: flow 2: every is 0, not at least 1; try 1",
        "b.yaml:8:19: node 'teacher': no node type 'techer'; did you mean 'teacher'?",
        "b.yaml:9:12: node 'student': 'model' is missing",
        "b.yaml:10:1: unknown key 'abuot'; did you mean 'about'?",
    ]


def test_head_line_counts_the_problems():
    with pytest.raises(BlueprintError) as raised:
        loads("blueprint: x\ndata: {dataset: digits, workers: -1, mixup: -1}", name="b.yaml")
    assert str(raised.value) == (
        "b.yaml: 2 problems\n"
        "  b.yaml:2:34: data: workers is -1, not at least 0; try 0\n"
        "  b.yaml:2:45: data: mixup is -1, not at least 0; try 0"
    )


@pytest.mark.parametrize("name", ["../x", "a/b", ".x", "", "a\\b", "a\nb", "-x"])
def test_the_name_of_a_blueprint_cannot_lead_out_of_its_folder(mistake, name):
    quoted = name.encode("unicode_escape").decode()
    assert mistake(f'blueprint: §"{quoted}"\ndata: digits\n') == (
        f"blueprint is {name!r}: write letters, digits, '_', '-', '+', '.' or blanks, no '/'"
    )


def test_names_mean_one_thing_each(mistakes):
    text = """\
blueprint: x
data: digits
nodes:
  data: {type: gap}
  a.b: {type: gap}
  "c d": {type: gap}
  ok-2: {type: gap}
flows:
  - {from: a, to: b, loss: kl, name: f}
  - {from: a, to: b, loss: kl}
  - {from: a, to: b, loss: kl}
  - {from: a, to: b, loss: kl, name: f}
phases: [{name: p}, {name: q}, {name: p}]
"""
    assert mistakes(text) == [
        "b.yaml:4:3: node 'data': a node cannot be called 'data': that is the data set",
        "b.yaml:5:3: node 'a.b': a node's name holds letters, digits, '_' and '-' only",
        "b.yaml:6:3: node 'c d': a node's name holds letters, digits, '_' and '-' only",
        "b.yaml:12:38: flow 4: the name is taken by a flow before",
        "b.yaml:13:39: phase 'p': the name is taken by a phase before",
    ]


def test_short_forms():
    blueprint = loads("""\
blueprint: x
data: digits
about:
nodes: {s: {type: student, model: m}, g: gap}
flows: {from: data.label, to: s.layer1.0.conv1, loss: mse, via: linear, phases: , into: s}
train:
deliver: s
""")
    (only,) = blueprint.flows
    assert only.to == Ref("s", "layer1.0.conv1")
    assert [each.component.component_name for each in only.via] == ["linear"]
    assert (only.phases, only.into, blueprint.deliver) == ((), ("s",), ("s",))
    assert blueprint.about == ""


def test_ramp():
    (only,) = loads(flow("loss: kl, weight: {start: 1, end: 0, epochs: 2}")).flows
    assert only.weight == Ramp(1.0, 0.0, 2.0)


def _above_low(instance, attribute, value):
    if value <= instance.low:
        raise ValueError(f"high is {value:g}, not above low")


@attrs.frozen
class Odd:
    low: float = 0.0
    high: float = attrs.field(default=1.0, validator=_above_low)
    mode: str = attrs.field(default="a", validator=in_(["a", "b"]))
    names: tuple[str, ...] = attrs.field(default=("x",), validator=min_len(1))
    shape: Shape = Shape.ROUND


@attrs.frozen
class Odder:
    one: int = 0
    other: int = 0

    def __attrs_post_init__(self):
        if self.one and self.other:
            raise ComponentError("one and other exclude each other", field="other")


@attrs.frozen
class Clash:
    weight: int = 0


@pytest.fixture
def odd_components(monkeypatch):
    """Register components as others write them, with rules of their own."""
    import graphkd.component.registry as registry

    monkeypatch.setattr(registry, "_components", dict(registry._components))
    for cls in (Odd, Odder, Clash):
        component("loss", cls.__name__.lower())(cls)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("loss: odd, mode: §c", "flow 1: mode is 'c', not one of a, b; try a"),
        ("loss: odd, names: §[]", "flow 1: names is [], not of length 1 or more; try ['x']"),
        ("loss: odd, shape: §oval", "flow 1: shape is 'oval': 'oval' is not a valid Shape"),
        ("loss: odder, one: 1, other: §2", "flow 1: one and other exclude each other"),
        (
            "loss: §clash, weight: 3",
            "flow 1: clash has a parameter 'weight', which is a key beside it; "
            f"rename it in {__name__}",
        ),
    ],
)
def test_rules_of_components_made_elsewhere(mistake, odd_components, text, said):
    assert mistake(flow(text)) == said


def test_a_rule_about_two_parameters(mistake, odd_components):
    flows = "flows: [§{from: a, to: b, loss: odd, low: 3, high: 2}]"
    assert mistake(HEAD + flows) == "flow 1: high is 2, not above low"


def test_a_parameter_of_a_type_that_only_cattrs_knows(odd_components):
    blueprint = loads(flow("loss: odd, shape: square"))
    assert blueprint.flows[0].loss.shape is Shape.SQUARE
    assert loads(dumps(blueprint)) == blueprint
