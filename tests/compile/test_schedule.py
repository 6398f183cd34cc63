from graphkd.blueprint import Flow, Node, Phase, Ramp, Ref, Train
from graphkd.compile.convert import Convert as ConvertPart
from graphkd.compile.instructions import (
    Backward,
    Convert,
    Fit,
    Forward,
    Loss,
    Measure,
    Read,
    Record,
    Step,
    Update,
)
from graphkd.compile.schedule import schedule
from tests.compile.test_convert import SPEC
from tests.graph.drawn import Part, change, drawn


def flow(**settings):
    return Flow(Ref("teacher"), Ref("student"), Part("loss"), **settings)


def test_forwards_come_before_losses_and_values_are_freed_when_last_read():
    plan = schedule(
        drawn(
            """
            data data: image label
            teacher model (stops): stage1 logits
            student model (learns, gradient): stage1 logits
            flow1 loss (gradient)
            flow1_linear projector (learns, gradient): -
            flow2 loss (gradient)
            data.image -> teacher.input
            data.image -> student.input
            student.stage1 => flow1_linear.input
            flow1_linear => flow1.student
            teacher.stage1 ~> flow1.teacher
            student.logits => flow2.student
            teacher.logits ~> flow2.teacher
            data.label ~> flow2.label
            """,
            flows=[flow(weight=2.0), flow(every=3)],
        )
    )
    image = (Read("data.image"),)
    assert plan.instructions == (
        Forward(
            "teacher",
            "teacher",
            image,
            ("stage1", "logits"),
            ("teacher.stage1", "teacher.logits"),
            gradient=False,
            stops=True,
        ),
        Forward(
            "student",
            "student",
            image,
            ("stage1", "logits"),
            ("student.stage1", "student.logits"),
            gradient=True,
        ),
        Forward(
            "flow1_linear",
            "flow1_linear",
            (Read("student.stage1"),),
            ("",),
            ("flow1_linear",),
            gradient=True,
            frees=("student.stage1",),
        ),
        Loss(
            "flow1",
            "flow1",
            (Read("flow1_linear"), Read("teacher.stage1")),
            2.0,
            frees=("flow1_linear", "teacher.stage1"),
        ),
        Loss(
            "flow2",
            "flow2",
            (Read("student.logits"), Read("teacher.logits"), Read("data.label")),
            1.0,
            every=3,
            frees=("student.logits", "teacher.logits"),
        ),
        Backward(("flow1", "flow2")),
        Step(("student", "flow1_linear")),
        Record(10),
    )
    assert plan.trained == ("student", "flow1_linear")
    assert plan.name == "train"


def test_losses_come_in_the_order_of_the_flows():
    plan = schedule(
        drawn("""
        flow1 loss (gradient)
        flow2 loss (gradient)
        early model (learns, gradient): logits
        late model (learns, gradient): logits
        late.logits => flow1.student
        early.logits => flow2.student
        """)
    )
    kinds = [type(each).__name__ for each in plan.instructions]
    assert kinds == ["Forward", "Forward", "Loss", "Loss", "Backward", "Step", "Record"]
    assert [each.node for each in plan.instructions[:4]] == ["early", "late", "flow1", "flow2"]


def test_knowledge_is_detached_where_it_has_a_gradient():
    plan = schedule(
        drawn("""
        frozen model: logits
        peer model (learns, gradient): logits
        student model (learns, gradient): logits
        flow1 loss (gradient)
        flow2 loss (gradient)
        student.logits => flow1.student
        peer.logits ~> flow1.teacher
        peer.logits => flow2.student
        frozen.logits ~> flow2.teacher
        """)
    )
    losses = [each for each in plan.instructions if isinstance(each, Loss)]
    assert [each.reads for each in losses] == [
        (Read("student.logits"), Read("peer.logits", detach=True)),
        (Read("peer.logits"), Read("frozen.logits")),
    ]


def test_flows_with_the_same_into_share_a_backward():
    into = [("student",), (), ("student",)]
    plan = schedule(
        drawn(
            """
            student model (learns, gradient): logits
            flow1 loss (gradient)
            flow2 loss (gradient)
            flow3 loss (gradient)
            student.logits => flow1.student
            student.logits => flow2.student
            student.logits => flow3.student
            """,
            flows=[flow(into=each) for each in into],
        )
    )
    assert [each for each in plan.instructions if isinstance(each, Backward)] == [
        Backward(("flow1", "flow3"), ("student",)),
        Backward(("flow2",), ()),
    ]


def test_a_call_runs_the_module_of_its_owner_and_is_not_trained_twice():
    plan = schedule(
        drawn(
            """
            attack model: image
            student model (learns, gradient)
            once model (learns, gradient)
            twice model (learns, gradient): logits
            flow1 loss (gradient)
            student -- once.of
            once -- twice.of
            attack.image -> twice.input
            twice.logits => flow1.student
            """,
            borrows=("once", "twice"),
        )
    )
    forward = plan.instructions[1]
    assert (forward.node, forward.module) == ("twice", "student")
    # the owner itself is read by nobody
    assert [each.node for each in plan.instructions if isinstance(each, Forward)] == [
        "attack",
        "twice",
    ]
    assert plan.trained == ("student",)


def test_what_is_merged_runs_once():
    plan = schedule(
        drawn(
            """
            attack model: image
            teacher model: logits
            again model (same as teacher)
            student model (learns, gradient): logits
            flow1 loss (gradient)
            attack.image -> teacher.input
            teacher -- again.of
            attack.image -> again.input
            teacher.logits ~> flow1.teacher
            student.logits => flow1.student
            """,
            borrows=("again",),
        )
    )
    forwards = [each for each in plan.instructions if isinstance(each, Forward)]
    assert [each.node for each in forwards] == ["attack", "teacher", "student"]
    assert forwards[1].frees == ("attack.image",)


def test_a_phase_that_fits():
    graph = drawn(
        """
        data data: image
        teacher model (stops): logits
        axes transform
        data.image -> teacher.input
        teacher.logits -> axes.input
        """,
        phase=Phase("survey", fit=("axes",)),
    )
    assert schedule(graph).instructions == (
        Forward(
            "teacher",
            "teacher",
            (Read("data.image"),),
            ("logits",),
            ("teacher.logits",),
            gradient=False,
            stops=True,
        ),
        Fit("axes", (Read("teacher.logits"),), frees=("teacher.logits",)),
    )


def test_what_a_phase_fits_does_not_run_in_it():
    graph = drawn(
        """
        teacher model: logits
        axes transform: -
        teacher.logits -> axes.input
        """,
        phase=Phase("fit", fit=("axes",)),
    )
    # as without `prune`, which takes the tap away that nobody reads
    kinds = [type(each).__name__ for each in schedule(graph).instructions]
    assert kinds == ["Forward", "Fit"]


def test_an_evaluation_keeps_its_results():
    plan = schedule(
        drawn(
            """
            data data: image label
            teacher model: logits
            student model: logits
            again model (same as teacher)
            both transform: -
            gap probe
            data.image -> teacher.input
            data.image -> student.input
            teacher.logits -> both.input
            student.logits -> both.input#1
            student.logits -> gap.student
            both -> gap.teacher
            """,
            sinks=("student", "again", "gap"),
            phase=Phase("evaluate"),
        )
    )
    # logits of all models are read when the step is over
    assert plan.instructions[-2:] == (
        Forward(
            "both",
            "both",
            (Read("teacher.logits"), Read("student.logits")),
            ("",),
            ("both",),
            gradient=False,
        ),
        Measure("gap", (Read("student.logits"), Read("both")), frees=("both",)),
    )


def test_a_conversion_records_a_graph_for_an_image_that_learns():
    graph = drawn(
        """
        data data: image
        student model: logits
        judge model (gradient): logits
        maker model (learns, gradient): image
        student_input convert: -
        maker_input convert (gradient): -
        data.image -> student_input.input
        maker.image -> maker_input.input
        maker_input -> judge.input
        student_input -> student.input
        """
    )
    for name in ("student_input", "maker_input"):
        change(graph, name, component=ConvertPart(SPEC))
    conversions = [each for each in schedule(graph).instructions if isinstance(each, Convert)]
    assert conversions == [
        Convert("student_input", (Read("data.image"),), ("student_input",), SPEC),
        Convert(
            "maker_input",
            (Read("maker.image"),),
            ("maker_input",),
            SPEC,
            gradient=True,
            frees=("maker.image",),
        ),
    ]


def test_recipe_average_and_ramp_of_a_phase():
    ramp = Ramp(0.0, 1.0, epochs=2)
    graph = drawn(
        """
        student model (learns, gradient): logits
        flow1 loss (gradient)
        student.logits => flow1.student
        """,
        phase=Phase("learn", train=("student",), recipe={"epochs": 3}, data={"batch_size": 4}),
        flows=[flow(weight=ramp)],
        train=Train(epochs=20, steps=100, log_every=5),
    )
    change(graph, "student", settings=Node(Part("model"), ema=0.9))
    plan = schedule(graph)
    assert plan.instructions[1].weight == ramp
    assert plan.instructions[-2:] == (Update("student", 0.9), Record(5))
    assert (plan.recipe.epochs, plan.recipe.steps, plan.data.batch_size) == (3, 0, 4)
