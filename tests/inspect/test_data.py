"""The graph as plain data: what other programs find in it."""

import json

import attrs
import networkx as nx

from graphkd.blueprint.model import Ramp
from graphkd.compile import compile_blueprint
from graphkd.inspect import graph_data


def test_a_node_says_what_it_is_and_what_becomes_of_it(small):
    data = graph_data(compile_blueprint(small))
    nodes = {each["name"]: each for each in data["nodes"]}
    assert nodes["student"] == {
        "name": "student",
        "kind": "model",
        "component": "student",
        "parameters": {"features": 4, "model": "line", "has_weights": False},
        "taps": {"logits": {"layout": "b c", "shape": [2, 3], "dtype": "float32", "classes": None}},
        # 64 to 4 features to 3 classes
        "cost": {
            "parameters": 275,
            "parameter_bytes": 1100,
            "flops": nodes["student"]["cost"]["flops"],
            "activation_bytes": nodes["student"]["cost"]["activation_bytes"],
        },
        "state": "trained",
        "phases": ["distil"],
        "delivered": True,
        "flow": None,
    }
    assert nodes["student"]["cost"]["flops"] == 2 * (64 * 4 + 4 * 3)
    assert nodes["teacher"]["phases"] == ["teach"]
    soft = nodes["flow3"]
    assert (soft["kind"], soft["component"]) == ("loss", "kl")
    assert soft["parameters"]["temperature"] == 2.0
    assert (soft["state"], soft["phases"]) == ("computed", ["distil"])
    assert soft["flow"] == "teacher.logits->student.logits/kl"


def test_flows_and_phases_name_the_nodes(small):
    data = graph_data(compile_blueprint(small))
    assert data["flows"][2] == {
        "name": "teacher.logits->student.logits/kl",
        "from": "teacher.logits",
        "to": "student.logits",
        "loss": "kl",
        "weight": 0.9,
        "every": 1,
        "phases": [],
        "into": [],
        "nodes": ["flow3"],
    }
    assert data["phases"][0] == {
        "name": "teach",
        "epochs": 1,
        "batch_size": 10,
        "trained": ["teacher"],
        "fitted": [],
        "nodes": ["data", "teacher", "flow1"],
    }
    assert data["deliver"] == ["student"]


def test_networkx_makes_the_same_graph_of_it(large):
    schedule = compile_blueprint(large)
    read = json.loads(json.dumps(graph_data(schedule), allow_nan=False))
    assert read == graph_data(schedule)
    made = nx.node_link_graph(read, name="name", edges="edges")
    assert set(made.nodes) == set(schedule.graph.nodes)

    def ends(graph):
        return sorted(tuple(each) for each in graph.edges(keys=False))

    assert ends(made) == ends(schedule.graph)
    kinds = sorted(kind for _, _, kind in made.edges(data="kind"))
    assert kinds == sorted(edge.kind for _, _, edge in schedule.graph.edges(data="edge"))
    hint = next(each for each in read["flows"] if each["name"] == "hint")
    assert [made.nodes[name]["kind"] for name in hint["nodes"]] == ["loss"] + ["projector"] * 2


def test_json_holds_a_ramp_and_what_is_no_number(small):
    small.flows[1] = attrs.evolve(small.flows[1], weight=Ramp(0.0, 1.0, epochs=2.0))
    small.flows[2] = attrs.evolve(small.flows[2], weight=float("inf"))
    data = json.loads(json.dumps(graph_data(compile_blueprint(small)), allow_nan=False))
    assert data["flows"][1]["weight"] == {
        "start": 0.0,
        "end": 1.0,
        "epochs": 2.0,
        "shape": "linear",
    }
    assert data["flows"][2]["weight"] == "inf"
