"""The folders, their links, and imports that run one way."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import graphkd

PACKAGE = Path(graphkd.__file__).parent
ROOT = PACKAGE.parent
LINKED = ("components", "kernels", "blueprints")
# each may import those before it; a run folder holds drawings, hence inspect below run
LAYERS = (
    "errors",
    "component",
    "blueprint",
    "graph",
    "compile",
    "inspect",
    "notebook",
    "run",
    "bench",
    "cli",
)


def sources(folder):
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


CORE = [path for path in sources(PACKAGE) if path.relative_to(PACKAGE).parts[0] not in LINKED]


def imports(path):
    """List the modules that a file imports, those inside functions and for types included."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found += [f"{node.module}.{each.name}" for each in node.names]
    return found


def ours(path):
    """List the parts of graphkd that a file imports: `errors`, `kernels`, …"""
    modules = [name.split(".") for name in imports(path)]
    return {parts[1] for parts in modules if parts[0] == "graphkd" and len(parts) > 1}


@pytest.mark.parametrize("name", LINKED)
def test_folders_at_the_root_are_linked_into_the_package(name):
    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("an installed package holds the folders themselves")
    link = PACKAGE / name
    assert os.readlink(link) == f"../{name}"
    assert link.resolve() == (ROOT / name).resolve()
    assert link.is_dir()


@pytest.mark.parametrize("name", LINKED[:2])
def test_kernels_and_components_are_imported_by_one_name(name):
    bare = {
        path: imports(path) for path in [*CORE, *sources(ROOT / name), *sources(ROOT / "tests")]
    }
    assert not {
        path for path, modules in bare.items() if any(m.split(".")[0] == name for m in modules)
    }


def test_kernels_import_nothing_else_of_ours():
    assert {path.name: ours(path) - {"kernels"} for path in sources(ROOT / "kernels")} == {
        path.name: set() for path in sources(ROOT / "kernels")
    }


def test_components_import_the_component_base_and_kernels_only():
    allowed = {"component", "components", "errors", "kernels", "register_model"}
    found = {path: ours(path) - allowed for path in sources(ROOT / "components")}
    assert not {path: parts for path, parts in found.items() if parts}


def test_the_core_never_imports_a_component_or_a_kernel():
    found = {str(path.relative_to(PACKAGE)): ours(path) & set(LINKED) for path in CORE}
    # a measurement names what it measures
    assert not {path: parts for path, parts in found.items() if parts and "bench/" not in path}


def layer(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("name", LAYERS)
def test_imports_point_down(name):
    above = set(LAYERS[LAYERS.index(name) + 1 :])
    wrong = {
        (str(path.relative_to(PACKAGE)), part)
        for path in CORE
        if layer(path) == name
        for part in ours(path) & above
    }
    assert not wrong


def test_every_folder_of_the_core_has_a_layer():
    assert {layer(path) for path in CORE} - {"__init__", "__main__"} == set(LAYERS)


def test_init_files_only_import_and_list():
    for path in [*CORE, *sources(ROOT / "components"), *sources(ROOT / "kernels")]:
        if path.name != "__init__.py" or path.parent == PACKAGE:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), path
        for node in tree.body[1:]:
            named = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
            assert named or isinstance(node, (ast.ImportFrom, ast.Import)), f"{path}: {node}"


LIGHT = {
    "import": "import graphkd",
    "import blueprint": "import graphkd.blueprint",
    "components": "import graphkd.components",
    "load": "from graphkd import load; load('hinton')",
    "help": "from graphkd.cli import main; main(['--help'])",
    "version": "from graphkd.cli import main; main(['--version'])",
    "list": "from graphkd.cli import main; main(['list'])",
    "show": "from graphkd.cli import main; main(['show', 'kl'])",
    "schema": "from graphkd.cli import main; main(['schema'])",
    "diff": "from graphkd.cli import main; main(['diff', 'hinton', 'quickstart'])",
    "wrong": "from graphkd.cli import main; main(['check', 'nowhere.yaml'])",
}


@pytest.mark.parametrize("name", LIGHT)
def test_what_only_looks_does_not_import_torch(name):
    code = (
        "import sys\n"
        f"try:\n    {LIGHT[name]}\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'torch', 'timm', 'triton', 'numpy', 'networkx', 'sklearn'} & set(sys.modules)\n"
        "print('heavy', sorted(heavy), file=sys.stderr)"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert made.stderr.splitlines()[-1] == "heavy []", made.stderr


def test_importing_graphkd_reads_nothing_else_of_it():
    code = "import sys, graphkd; print([m for m in sys.modules if m.startswith('graphkd.')])"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout == "[]\n"
