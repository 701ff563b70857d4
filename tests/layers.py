"""What imports what, read from the source: also inside functions, for type checkers only, and by a module's name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGES = ("shopbench", "models", "evaluation", "training", "tools", "benchmarks")
OURS = (*PACKAGES, "local_evaluation")


def sources(repository: Path) -> dict[str, Path]:
    """Our modules by their dotted names; a package's `__init__` has the package's name."""
    files = [path for package in PACKAGES for path in sorted((repository / package).rglob("*.py"))]
    return {_name(path.relative_to(repository)): path for path in (*files, repository / "local_evaluation.py")}


def _name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def imports(module: str, path: Path, known: dict[str, Path], at_import: bool = False) -> set[str]:
    """The modules that a file names: ours down to the module, others as they are written.

    `from a import b` is the module a.b where there is one, else a. A text that is exactly the name of one of our
    modules counts: import_module takes it, as run_command and tables of modules do. Who asks for the `__path__` of a
    package imports whatever lies in it.

    Args:
        at_import: only what is imported when the file itself is; nothing inside functions, no names in texts.
    """
    found, listed = set(), set()
    for node in _nodes(_parsed(path), at_import):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            found |= {one if (one := f"{base}.{alias.name}") in known else base for alias in node.names}
        elif isinstance(node, ast.Constant) and not at_import and node.value in known and "." in node.value:
            found.add(node.value)
        elif isinstance(node, ast.Attribute) and node.attr == "__path__" and isinstance(node.value, ast.Name):
            listed.add(node.value.id)
    packages = tuple(f"{name}." for name in found if name.split(".")[-1] in listed)
    return (found | {name for name in known if name.startswith(packages)}) - {module}


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _nodes(tree: ast.AST, at_import: bool) -> Iterator[ast.AST]:
    yield tree
    for child in ast.iter_child_nodes(tree):
        if not (at_import and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)):
            yield from _nodes(child, at_import)


def graph(repository: Path) -> dict[str, set[str]]:
    """Each of our modules and those of ours that it needs, with the packages above them that it is not part of."""
    known = sources(repository)
    needed = {name: imports(name, path, known) & set(known) for name, path in known.items()}
    return {
        name: names | {above for one in names for above in _above(one, name, known)} for name, names in needed.items()
    }


def _above(needed: str, module: str, known: dict[str, Path]) -> Iterator[str]:
    """The packages that are imported with `needed`, but for those that `module` stands in: they are there already."""
    parts = needed.split(".")
    for count in range(1, len(parts)):
        package = ".".join(parts[:count])
        if package in known and package != module and not module.startswith(f"{package}."):
            yield package


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Groups of modules that need each other, directly or by way of others."""
    reach = {name: _reached(graph, name) for name in graph}
    groups = {frozenset(other for other in reach[name] if name in reach[other]) for name in graph}
    return sorted(({*group} for group in groups if group), key=sorted)


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph[waiting.pop()] - reached
        reached |= new
        waiting += new
    return reached
