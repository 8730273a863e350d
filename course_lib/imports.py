"""Who imports whom in course_lib, read from the source without running any of it.

Three things rest on this file: the test that holds the code to its import table, the keys that
decide what must be built or executed again, and the picture of the packages in the preface.

`import course_lib.a.b` counts `course_lib.a.b` and all that it imports in turn. It doesn't count
`course_lib/a/__init__.py`, which Python runs too: those files only hand names on. Where a source
says `from course_lib.a import name`, the name is followed through `__init__.py` to the module
that defines it.
"""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ROOT = "course_lib"
ROOT_FOLDER = Path(__file__).resolve().parent


def module_names() -> list[str]:
    """Every module of course_lib by dotted name, sorted."""
    return sorted(_name_of(path) for path in ROOT_FOLDER.rglob("*.py"))


def module_path(module: str) -> Path | None:
    """The file of a course_lib module, or None where there is no such module."""
    parts = module.split(".")
    if parts[0] != ROOT:
        return None
    base = ROOT_FOLDER.joinpath(*parts[1:])
    for path in (base.with_suffix(".py") if len(parts) > 1 else None, base / "__init__.py"):
        if path is not None and path.is_file():
            return path
    return None


def imports_of(source: str, module: str = "") -> frozenset[str]:
    """The course_lib modules that a source text imports directly, anywhere in it.

    module: the text's own dotted name, needed only to refuse relative imports by name.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names if module_path(alias.name))
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{module}:{node.lineno}: write the import in full, from {ROOT}")
            if module_path(node.module or ""):
                found.update(_provider(node.module, alias.name) for alias in node.names)
    return frozenset(found)


def direct(module: str) -> frozenset[str]:
    """The course_lib modules that one of its modules imports directly."""
    path = module_path(module)
    return _direct(module, path, path.stat().st_mtime_ns)


def edges() -> dict[str, frozenset[str]]:
    """For every module of course_lib, the modules of course_lib that it imports directly."""
    return {module: direct(module) for module in module_names()}


def closure(modules: Iterable[str], stop: Iterable[str] = ()) -> frozenset[str]:
    """The modules, and everything of course_lib that they import in turn.

    stop: modules that are counted themselves but not followed. A page stops at
    `course_lib.lineage`: what it loads there is known by the artifact's own key.
    """
    stop = frozenset(stop)
    found: set[str] = set()
    todo = list(modules)
    while todo:
        module = todo.pop()
        if module_path(module) is None:
            raise ValueError(f"no module {module!r} in {ROOT}")
        if module not in found:
            found.add(module)
            if module not in stop:
                todo.extend(direct(module))
    return frozenset(found)


def closure_hash(modules: Iterable[str], stop: Iterable[str] = ()) -> str:
    """A hash of the code that `modules` run: of their closure's syntax trees, less docstrings.

    Comments, layout and docstrings don't change it; every other edit does. Data files that lie
    beside a module (templates, tables) count as part of it.
    """
    digest = hashlib.sha256()
    for module in sorted(closure(modules, stop)):
        digest.update(f"{module}={module_hash(module)}\n".encode())
    return digest.hexdigest()


def module_hash(module: str) -> str:
    """The hash of one module's code and of the data files beside it."""
    path = module_path(module)
    if path is None:
        raise ValueError(f"no module {module!r} in {ROOT}")
    digest = hashlib.sha256(_code_hash(path, path.stat().st_mtime_ns).encode())
    for data in sorted(p for p in path.parent.iterdir() if p.is_file() and _is_data(p)):
        digest.update(data.name.encode() + hashlib.sha256(data.read_bytes()).digest())
    return digest.hexdigest()


def source_hash(source: str) -> str:
    """The hash of a source text's syntax tree without docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if _has_docstring(node):
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _name_of(path: Path) -> str:
    parts = (ROOT, *path.relative_to(ROOT_FOLDER).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _is_data(path: Path) -> bool:
    return path.suffix not in {".py", ".pyc"} and not path.name.startswith(".")


def _has_docstring(node: ast.AST) -> bool:
    if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    first = node.body[0] if node.body else None
    return (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )


def _provider(module: str, name: str) -> str:
    """The module that `from module import name` really takes `name` from."""
    if module_path(f"{module}.{name}"):
        return f"{module}.{name}"
    path = module_path(module)
    if path.name == "__init__.py":
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and module_path(node.module or ""):
                for alias in node.names:
                    if (alias.asname or alias.name) == name:
                        return _provider(node.module, alias.name)
    return module


@cache
def _direct(module: str, path: Path, mtime_ns: int) -> frozenset[str]:
    return imports_of(path.read_text(encoding="utf-8"), module) - {module}


@cache
def _code_hash(path: Path, mtime_ns: int) -> str:
    return source_hash(path.read_text(encoding="utf-8"))
