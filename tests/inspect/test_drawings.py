"""Each drawing is compared with a stored text; UPDATE_EXPECTED=1 writes the texts anew."""

import pytest

from graphkd.compile import compile_blueprint
from graphkd.inspect import dot, explain, mermaid, svg

FORMATS = {"svg": svg, "mmd": mermaid, "dot": dot}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("name", ["small", "large"])
def test_drawing_is_as_stored(name, suffix, request, inferred, same_as_stored):
    graph = inferred(request.getfixturevalue(name))
    same_as_stored(FORMATS[suffix](graph), f"{name}.{suffix}")


@pytest.mark.parametrize("name", ["small", "large"])
def test_plan_is_as_stored(name, request, same_as_stored):
    same_as_stored(explain(compile_blueprint(request.getfixturevalue(name))), f"{name}.txt")
