"""The direction of imports and what no file may hold: read from the source, so that a stray import fails here first."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from tests.layers import OURS, PACKAGES, circles, graph, imports, sources

MAY_IMPORT = {
    "shopbench": {"shopbench"},
    "models": {"models", "shopbench"},
    "evaluation": {"evaluation", "models", "shopbench"},
    "local_evaluation": {"evaluation", "models", "shopbench"},
    "tools": {"tools", "evaluation", "models", "shopbench"},
    "tools.budget": {"tools", "evaluation", "models", "shopbench", "training"},
    "training": {"training", "shopbench"},
    "training.sweep": {"training", "evaluation", "models", "shopbench"},
    "training.synthesize": {"training", "models", "shopbench"},
    "benchmarks": {*OURS},
}
"""By package, or part of one: sweeps score what they serve as local_evaluation does, synthesis may serve a model; the
budget of a training is that of its recipe (data, which need no library)."""
WORKERS = {"evaluation/bleurt_worker.py", "models/engine/child.py", "models/engine/reaper.py"}
"""Programs that another process of ours starts and listens to: no commands of a user's."""
OUT_OF_REACH = re.compile(r"\bFACTS\b|paper 0\d\d|ROOT\.parent|\.\./shared|shared/data")
"""Documents that a reader cannot get, and folders outside the repository."""


@pytest.fixture(scope="module")
def known(repository: Path) -> dict[str, Path]:
    return sources(repository)


@pytest.mark.parametrize("package", OURS)
def test_imports_point_one_way(package: str, known: dict[str, Path]) -> None:
    modules = [name for name in known if name.split(".")[0] == package]
    assert modules
    wrong = {}
    for module in modules:
        part = max((part for part in MAY_IMPORT if f"{module}.".startswith(f"{part}.")), key=len)
        named = {name for name in imports(module, known[module], known) if name.split(".")[0] in OURS}
        if stray := {name for name in named if name.split(".")[0] not in MAY_IMPORT[part]}:
            wrong[module] = stray
    assert not wrong, "\n".join(f"{module} imports {sorted(stray)}" for module, stray in wrong.items())


def test_no_circle_of_imports(repository: Path) -> None:
    found = circles(graph(repository))
    assert not found, "\n".join(", ".join(sorted(circle)) for circle in found)


def test_only_the_engine_imports_vllm(known: dict[str, Path]) -> None:
    users = {name for name, path in known.items() if any(m.split(".")[0] == "vllm" for m in imports(name, path, known))}
    assert users
    assert {name for name in users if not name.startswith("models.engine.")} == set()


def test_shopbench_needs_only_the_standard_library(known: dict[str, Path]) -> None:
    for name, path in known.items():
        if name.split(".")[0] == "shopbench":
            needed = {module.split(".")[0] for module in imports(name, path, known, at_import=True)}
            assert needed - {"shopbench"} <= sys.stdlib_module_names, name


def test_every_command_ends_by_run_command(repository: Path, known: dict[str, Path]) -> None:
    """A file that can be run ends as every command does; what it names by text is there."""
    commands = {path.relative_to(repository).as_posix(): path for path in known.values()}
    others = set()
    for name, path in commands.items():
        blocks = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if _is_main(node)]
        calls = [node for block in blocks for node in ast.walk(block) if isinstance(node, ast.Call)]
        runs = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "run_command"]
        if blocks and not runs:
            others.add(name)
        for given in (call.args[0] for call in runs):
            assert not isinstance(given, ast.Constant) or given.value in known, name
    assert others >= WORKERS
    assert not others - WORKERS, "\n".join(sorted(others - WORKERS))


def _is_main(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and any(
        isinstance(part, ast.Constant) and part.value == "__main__" for part in ast.walk(node.test)
    )


def test_nothing_points_outside_the_repository(repository: Path, known: dict[str, Path]) -> None:
    texts = [*known.values(), *repository.glob("*.md"), *repository.glob("docs/*.md"), *repository.glob("prompts/*")]
    found = [
        f"{path.relative_to(repository)}:{number}: {line.strip()}"
        for path in texts
        if path.is_file()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if OUT_OF_REACH.search(line)
    ]
    assert not found, "\n".join(found)


def test_training_data_is_never_the_development_file(repository: Path) -> None:
    """The development file is a test: no training source may name it."""
    for path in sorted((repository / "training/data/sources").rglob("*.py")):
        assert "development" not in path.read_text(encoding="utf-8"), path


def test_circles_are_found_however_they_are_imported(tmp_path: Path) -> None:
    for package in PACKAGES:
        (tmp_path / package).mkdir()
    files = {
        "local_evaluation.py": "import evaluation.run as run",
        "evaluation/run.py": "def f():\n    from evaluation import table\n",
        "evaluation/table.py": "if TYPE_CHECKING:\n    from evaluation.run import f",
        "models/a.py": "from importlib import import_module\nimport_module('models.b')",
        "models/b.py": "TABLE = {'a': 'models.a'}",
        "tools/room/__init__.py": "from tools.room.inside import x",
        "tools/room/inside.py": "import tools.other",
        "tools/other.py": "from tools.room import leaf",
        "tools/room/leaf.py": "",
        "training/__init__.py": "from . import deep",
        "training/deep/__init__.py": "from .one import x",
        "training/deep/one.py": "from ..two import x\nfrom . import three",
        "training/deep/three.py": "",
        "training/two.py": "'training.deep is what needs this'\nimport json, vllm.x",
        "benchmarks/table.py": "from benchmarks import rows\npkgutil.iter_modules(rows.__path__)",
        "benchmarks/rows/__init__.py": "",
        "benchmarks/rows/one.py": "from benchmarks.table import x",
        "shopbench/__init__.py": "",
        "shopbench/leaf.py": "from shopbench import x",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert circles(graph(tmp_path)) == [
        {"benchmarks.rows.one", "benchmarks.table"},
        {"evaluation.run", "evaluation.table"},
        {"models.a", "models.b"},
        {"tools.other", "tools.room", "tools.room.inside"},
    ]
    assert graph(tmp_path)["training.deep.one"] == {"training.two", "training.deep.three"}
    assert imports("training.two", tmp_path / "training/two.py", {}) == {"json", "vllm.x"}
    assert imports("evaluation.run", tmp_path / "evaluation/run.py", {}, at_import=True) == set()
