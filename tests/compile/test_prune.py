from graphkd.compile.prune import prune
from graphkd.graph import vertex
from tests.graph.drawn import LOGITS, drawn, plain, written


def test_nodes_and_taps_that_nobody_reads_are_left_out():
    made = prune(
        drawn(
            """
            data data: image label index
            teacher model: stage1 logits
            other model: logits
            student model (learns, gradient): embedding logits
            flow1 loss (gradient)
            data.image -> teacher.input
            data.image -> other.input
            data.image -> student.input
            student.logits => flow1.student
            teacher.stage1 ~> flow1.teacher
            """,
            sinks=("flow1",),
        )
    )
    # the frozen teacher stops behind stage1, the learner runs to its end
    assert written(made) == plain("""
    data data: image
    teacher model (stops): stage1
    student model (learns, gradient): logits
    flow1 loss (gradient)
    data.image -> teacher.input
    data.image -> student.input
    student.logits => flow1.student
    teacher.stage1 ~> flow1.teacher
    """)
    assert vertex(made, "student").taps == {"logits": LOGITS}


def test_a_node_that_only_lends_its_weights_stays_without_taps():
    made = prune(
        drawn(
            """
            data data: image label
            student model (learns, gradient): logits
            once model (learns, gradient): logits
            twice model (learns, gradient): logits
            attack model: image
            flow1 loss (gradient)
            data.image -> student.input
            data.image -> once.input
            attack.image -> twice.input
            student -- once.of
            once -- twice.of
            twice.logits => flow1.student
            data.label ~> flow1.label
            """,
            sinks=("flow1",),
            borrows=("once", "twice"),
        )
    )
    assert written(made) == plain("""
    data data: label
    student model (learns, gradient)
    once model (learns, gradient)
    twice model (learns, gradient): logits
    attack model (stops): image
    flow1 loss (gradient)
    student -- once.of
    once -- twice.of
    attack.image -> twice.input
    twice.logits => flow1.student
    data.label ~> flow1.label
    """)


def test_a_fitted_node_needs_no_reader():
    made = prune(
        drawn(
            """
            data data: image
            teacher model: logits
            axes transform: -
            head projector: -
            data.image -> teacher.input
            teacher.logits -> axes.input
            axes -> head.input
            """,
            sinks=("axes",),
        )
    )
    assert written(made) == plain("""
    data data: image
    teacher model (stops): logits
    axes transform
    data.image -> teacher.input
    teacher.logits -> axes.input
    """)


def test_a_frozen_model_stops_even_where_it_passes_gradient():
    text = """
    student model (learns, gradient): stage1
    judge model (gradient): stage1
    flow1 loss (gradient)
    student.stage1 -> judge.input
    judge.stage1 => flow1.student
    """
    made = prune(drawn(text, sinks=("flow1",)))
    assert written(made) == plain(text).replace(
        "judge model (gradient)", "judge model (gradient, stops)"
    )


def test_a_node_built_of_a_learners_parts_runs_to_its_end():
    text = """
    data data: image label
    student model (learns, gradient)
    hybrid model (gradient): logits
    flow1 loss (gradient)
    student -- hybrid.early
    data.image -> hybrid.input
    hybrid.logits => flow1.student
    data.label ~> flow1.label
    """
    assert written(prune(drawn(text, sinks=("flow1",)))) == plain(text)


def test_an_evaluation_wants_logits():
    made = prune(
        drawn(
            """
            student model: stage1 logits
            encoder model: stage1
            gap probe
            student.stage1 -> gap.student
            student.stage1 -> gap.teacher
            """,
            sinks=("student", "gap"),
        )
    )
    assert written(made) == plain("""
    student model (stops): stage1 logits
    gap probe
    student.stage1 -> gap.student
    student.stage1 -> gap.teacher
    """)
