"""Real text that every Python user has on disk: no download, no copy in the repository.

`python_docs`: the language reference that `help()` shows (`pydoc_data.topics`), the standard
library's docstrings, and those of installed packages. `python_code`: the standard library's
source. Files are parsed, never imported, and come in sorted order, so that a machine gives the
same documents each time. Other Python versions give others: about half the files change from
one minor version to the next.
"""

import ast
import sysconfig
import warnings
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from course_lib.data.records import Record

PYTHON_LICENCE = "PSF-2.0"
KINDS = ("reference", "docstring", "package")
NOT_LIBRARY = {
    "site-packages",
    "dist-packages",
    "test",
    "tests",
    "idle_test",
    "__pycache__",
    "lib2to3",
    "pydoc_data",
    "_vendor",
    "ensurepip",
}


def python_docs(
    kinds: Sequence[str] = KINDS,
    packages: Sequence[str] = ("numpy",),
    modules: Sequence[str] | None = None,
) -> Iterator[Record]:
    """Documentation as documents: one language-reference topic or one docstring each.

    packages: distributions whose docstrings to read ("package"); all must be installed.
    modules: top-level names of the standard library to read ("docstring"); None reads all.
    """
    for kind in kinds:
        if kind == "reference":
            yield from _reference()
        elif kind == "docstring":
            for path, name in library_files(modules):
                yield from _docstrings(path, name, "docstring", PYTHON_LICENCE)
        elif kind == "package":
            for package in packages:
                yield from _package(package)
        else:
            raise ValueError(f"kind={kind!r} is not one of {KINDS}")


def python_code(modules: Sequence[str] | None = None) -> Iterator[Record]:
    """The standard library's source files, without its tests."""
    for path, name in library_files(modules):
        text = _read(path)
        if text.strip():
            yield Record(f"python_code/{name}", text, "python_code", PYTHON_LICENCE, "code")


def library_files(modules: Sequence[str] | None = None) -> Iterator[tuple[Path, str]]:
    """Files of the standard library and their dotted names, sorted."""
    root = Path(sysconfig.get_paths()["stdlib"])
    for top in sorted(root.iterdir()):
        if top.stem in NOT_LIBRARY or top.name.startswith(("config-", "_sysconfigdata")):
            continue
        if modules is not None and top.stem not in modules:
            continue
        for path in sorted(top.rglob("*.py")) if top.is_dir() else [top]:
            parts = path.relative_to(root).with_suffix("").parts
            if path.suffix == ".py" and not NOT_LIBRARY & set(parts):
                yield path, ".".join(parts)


def package_licence(package: str) -> str:
    """What a distribution's metadata says: an SPDX expression, a classifier, or `unknown`."""
    about = metadata.metadata(package)
    if about.get("License-Expression"):
        return about["License-Expression"]
    classifiers = [
        line.rsplit("::", 1)[-1].strip()
        for line in about.get_all("Classifier") or ()
        if line.startswith("License ::")
    ]
    free_text = (about.get("License") or "").strip().split("\n")[0]
    return "; ".join(classifiers) or free_text or "unknown"


def _reference() -> Iterator[Record]:
    from pydoc_data import topics  # 700 kB of text: read when it is asked for

    for name, text in sorted(topics.topics.items()):
        yield Record(
            f"python_docs/reference/{name}", text, "python_docs", PYTHON_LICENCE, "reference"
        )


def _package(package: str) -> Iterator[Record]:
    try:
        distribution = metadata.distribution(package)
    except metadata.PackageNotFoundError as error:
        raise ValueError(
            f"package {package!r} is not installed here: install it, or take it out of `packages`"
        ) from error
    licence = package_licence(package)
    for entry in sorted(distribution.files or (), key=str):
        if entry.suffix == ".py" and not NOT_LIBRARY & set(entry.parts) and ".." not in entry.parts:
            name = ".".join(entry.with_suffix("").parts)
            yield from _docstrings(Path(distribution.locate_file(entry)), name, "package", licence)


def _docstrings(path: Path, module: str, kind: str, licence: str) -> Iterator[Record]:
    """The docstrings of a file's module, classes and functions, in the order of the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old files hold escapes that Python now warns of
            tree = ast.parse(_read(path))
    except (SyntaxError, ValueError):  # deliberately broken files, templates
        return
    for name, node in _documented(tree, module):
        text = ast.get_docstring(node, clean=True)
        if text:
            yield Record(f"python_docs/{kind}/{name}", text, "python_docs", licence, kind)


def _documented(node: ast.AST, name: str) -> Iterator[tuple[str, ast.AST]]:
    yield name, node
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _documented(child, f"{name}.{child.name}")


def _read(path: Path) -> str:
    return path.read_bytes().decode("utf-8", errors="replace").replace("\r\n", "\n")
