"""What a blueprint says is shown in its page, and never run."""

from graphkd.blueprint.model import Blueprint, Data, Node, Phase, Ref
from graphkd.compile import compile_blueprint
from graphkd.components.datasets import Digits
from graphkd.components.losses import KL, CrossEntropy
from graphkd.components.models import Student, Teacher
from graphkd.inspect import page

VIEWS = ("knowledge", "dataflow", "schedule")
# no dots: those end a node's name
MARKUP = "\"'></script><script>hacked=1</script><img src=x onerror='hacked=1'>`${hacked=1}&lt;"


def hostile():
    """Compile a blueprint whose every free text is markup."""
    # past `Blueprint.node`, which refuses such names: the page does not rely on it
    model = {"channels": [8, 8, 8, 8], "stem_width": 8}
    made = Blueprint("hostile", Data(Digits()), about=MARKUP)
    names = f"teacher{MARKUP}", f"student{MARKUP}"
    for name, cls in zip(names, (Teacher, Student), strict=True):
        made.nodes[name] = Node(cls(model="timm/test_resnet", args=model))
    teacher, student = (Ref(name, "logits") for name in names)
    made.flow(teacher, student, KL(), name=MARKUP)
    made.flow(made.batch.label, teacher, CrossEntropy(), phases=(MARKUP,))
    made.phases = [Phase(MARKUP, train=(names[0],)), Phase("b</script>", train=(names[1],))]
    return compile_blueprint(made)


def test_a_blueprint_cannot_make_the_page_run_anything(opened):
    tab = opened(hostile())
    for view in VIEWS:
        tab.get_by_role("tab", name=view).click()
    for phase in ("0", "1", ""):
        tab.locator("#phase").select_option(phase)
    tab.get_by_role("tab", name="knowledge").click()
    tab.locator("#search").fill(MARKUP)
    tab.locator("#search").press("Enter")
    for each in tab.locator("#knowledge .part").all():
        tab.locator("#whole").click()
        each.click()
        assert "<script>" in tab.locator("#panel h2").inner_text()
    assert tab.evaluate("window.hacked") is None
    assert tab.locator("img").count() == 0
    assert tab.locator("script").count() == 2


def test_the_policy_stops_what_would_come_in_anyway(browser, schedules, tmp_path):
    file = tmp_path / "page.html"
    foreign = "<script>hacked=1</script><p onclick='hacked=1'>here</p></body>"
    file.write_text(page(schedules("tas")).replace("</body>", foreign), encoding="utf-8")
    tab = browser.new_page()
    tab.goto(file.as_uri())
    tab.get_by_text("here", exact=True).click()
    assert tab.evaluate("window.hacked") is None
    tab.close()
