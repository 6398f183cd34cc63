from graphkd.compile.convert import Convert, convert
from graphkd.component import ImageSpec, Socket
from graphkd.graph import vertex
from tests.graph.drawn import change, drawn, plain, written

SPEC = ImageSpec(3, 32, 48, mean=(0.5,) * 3, std=(0.2,) * 3)


def with_images(text, *names, **settings):
    graph = drawn(text, **settings)
    for name in names:
        change(graph, name, image=SPEC, where=("nodes", name))
    return graph


def test_each_model_gets_its_own_conversion():
    graph = with_images(
        """
        data data: image label
        teacher model: logits
        student model: logits
        head projector: -
        data.image -> teacher.input
        data.image -> student.input
        data.image -> head.input
        """,
        "teacher",
        "student",
    )
    made = convert(graph)
    assert written(made) == plain("""
    data data: image label
    teacher_input convert: -
    teacher model: logits
    student_input convert: -
    student model: logits
    head projector: -
    data.image -> teacher_input.input
    teacher_input -> teacher.input
    data.image -> student_input.input
    student_input -> student.input
    data.image -> head.input
    """)
    inserted = vertex(made, "student_input")
    assert inserted.component == Convert(SPEC)
    assert inserted.taps == {"": Socket("b c h w", (2, 3, 32, 48))}
    assert inserted.where == ("nodes", "student")


def test_a_model_that_reads_features_is_left_alone():
    text = """
    student model: stage1
    reader model: logits
    student.stage1 -> reader.input
    """
    assert written(convert(with_images(text, "student"))) == plain(text)


def test_an_image_that_learns_brings_its_gradient_along():
    graph = with_images(
        """
        maker model (learns, gradient): image
        judge model (gradient): logits
        judge_input projector
        maker.image -> judge.input
        """,
        "judge",
    )
    made = convert(graph)
    assert written(made) == plain("""
    maker model (learns, gradient): image
    judge_input_ convert (gradient): -
    judge model (gradient): logits
    judge_input projector
    maker.image -> judge_input_.input
    judge_input_ -> judge.input
    """)


def test_a_port_keeps_its_name():
    graph = with_images("data data: image\nstudent model\ndata.image -> student.guide", "student")
    assert written(convert(graph)) == plain("""
    data data: image
    student_input convert: -
    student model
    data.image -> student_input.input
    student_input -> student.guide
    """)
