import attrs

from graphkd.blueprint import Flow, Phase, Ref
from graphkd.compile.split import split
from graphkd.graph import vertex
from tests.graph.drawn import Part, change, drawn, plain, written

TWO = """
data data: image label
teacher model: logits
student model: logits
flow1 loss
flow2 loss
data.image -> teacher.input
data.image -> student.input
teacher.logits => flow1.student
data.label ~> flow1.label
student.logits => flow2.student
teacher.logits ~> flow2.teacher
"""
STUDENT_LEARNS = plain("""
data data: image label
teacher model: logits
student model (learns, gradient): logits
flow2 loss (gradient)
data.image -> teacher.input
data.image -> student.input
student.logits => flow2.student
teacher.logits ~> flow2.teacher
""")


def test_the_phase_of_a_teacher():
    made = split(drawn(TWO, phase=Phase("teach", train=("teacher",))))
    assert written(made) == plain("""
    data data: image label
    teacher model (learns, gradient): logits
    student model: logits
    flow1 loss (gradient)
    data.image -> teacher.input
    data.image -> student.input
    teacher.logits => flow1.student
    data.label ~> flow1.label
    """)
    assert made.graph["sinks"] == ("flow1",)


def test_the_phase_of_a_student():
    made = split(drawn(TWO, phase=Phase("learn", train=("student",))))
    assert written(made) == STUDENT_LEARNS


def test_what_may_learn_but_is_not_taught_is_frozen():
    flows = [Flow(Ref("a"), Ref("b"), Part("loss"), phases=phases) for phases in (("one",), ())]
    made = split(drawn(TWO, learners=("teacher", "student"), flows=flows, phase=Phase("two")))
    assert written(made) == STUDENT_LEARNS


def test_gradient_passes_through_a_frozen_model():
    made = split(
        drawn(
            """
            student model: stage1
            judge model: logits
            flow1 loss
            student.stage1 -> judge.input
            judge.logits => flow1.student
            """,
            learners=("student",),
        )
    )
    assert written(made) == plain("""
    student model (learns, gradient): stage1
    judge model (gradient): logits
    flow1 loss (gradient)
    student.stage1 -> judge.input
    judge.logits => flow1.student
    """)


def test_knowledge_stops_the_gradient_but_a_projector_behind_it_learns():
    made = split(
        drawn(
            """
            peer model: logits
            student model: logits
            flow1 loss
            flow1_linear projector: -
            flow2 loss
            student.logits => flow1.student
            peer.logits ~> flow1_linear.input
            flow1_linear -> flow1.teacher
            peer.logits => flow2.student
            student.logits ~> flow2.teacher
            """,
            learners=("student",),
        )
    )
    assert written(made) == plain("""
    peer model: logits
    student model (learns, gradient): logits
    flow1 loss (gradient)
    flow1_linear projector (learns, gradient): -
    student.logits => flow1.student
    flow1_linear -> flow1.teacher
    peer.logits ~> flow1_linear.input
    """)


CALL = """
data data: image
student model: logits
attack model: image
again model: logits
flow1 loss
data.image -> student.input
attack.image -> again.input
student -- again.of
again.logits => flow1.student
"""


def test_a_call_learns_with_its_owner():
    # which does not run itself: nobody reads it, and its forward would move running statistics
    made = split(drawn(CALL, learners=("student",), borrows=("again",)))
    assert written(made) == plain("""
    data data: image
    student model (learns, gradient)
    attack model: image
    again model (learns, gradient): logits
    flow1 loss (gradient)
    student -- again.of
    attack.image -> again.input
    again.logits => flow1.student
    """)


def test_a_node_built_of_a_learners_parts_carries_its_gradient():
    # its own parameters are frozen: its type does not learn
    made = split(drawn(CALL, learners=("student",)))
    assert written(made) == plain("""
    data data: image
    student model (learns, gradient)
    attack model: image
    again model (gradient): logits
    flow1 loss (gradient)
    student -- again.of
    attack.image -> again.input
    again.logits => flow1.student
    """)


def test_a_call_that_no_flow_needs_is_gone_while_its_owner_learns():
    text = """
    data data: image label
    student model: logits
    again model: logits
    judge model: logits
    flow1 loss
    data.image -> student.input
    student -- again.of
    data.image -> again.input
    again.logits -> judge.input
    student.logits => flow1.student
    data.label ~> flow1.label
    """
    made = split(drawn(text, learners=("student",), borrows=("again",)))
    assert written(made) == plain("""
    data data: image label
    student model (learns, gradient): logits
    flow1 loss (gradient)
    data.image -> student.input
    student.logits => flow1.student
    data.label ~> flow1.label
    """)


def test_into_freezes_what_it_leaves_out():
    flow = Flow(Ref("a"), Ref("b"), Part("loss"), into=("head",))
    made = split(
        drawn(
            """
            student model: logits
            head projector: -
            flow1 loss
            student.logits -> head.input
            head => flow1.student
            """,
            learners=("student",),
            flows=[flow],
        )
    )
    assert written(made) == plain("""
    student model: logits
    head projector (learns, gradient): -
    flow1 loss (gradient)
    student.logits -> head.input
    head => flow1.student
    """)


def test_a_phase_that_only_fits_has_no_flows_and_trains_nothing():
    graph = drawn(TWO, learners=("student",), phase=Phase("survey", fit=("teacher",)))
    made = split(graph)
    assert written(made) == plain("""
    data data: image label
    teacher model: logits
    student model: logits
    data.image -> teacher.input
    data.image -> student.input
    """)
    assert made.graph["sinks"] == ("teacher",)


def test_the_evaluation_has_probes_instead_of_flows():
    graph = drawn(
        """
        student model: logits
        encoder model: stage1
        flow1 loss
        flow1_linear projector: -
        gap probe
        student.logits => flow1.student
        encoder.stage1 ~> flow1_linear.input
        flow1_linear -> flow1.teacher
        student.logits -> gap.student
        student.logits -> gap.teacher
        """,
        learners=("student",),
        phase=Phase("evaluate"),
    )
    made = split(graph)
    assert written(made) == plain("""
    student model: logits
    encoder model: stage1
    gap probe
    student.logits -> gap.student
    student.logits -> gap.teacher
    """)
    assert made.graph["sinks"] == ("student", "gap")


def test_a_loss_with_parameters_learns():
    @attrs.frozen
    class Built(Part):
        def build(self, site):
            raise AssertionError

    graph = drawn(TWO, phase=Phase("teach", train=("teacher",)))
    change(graph, "flow1", component=Built("loss", ports=vertex(graph, "flow1").component.ports))
    assert vertex(split(graph), "flow1").learns
