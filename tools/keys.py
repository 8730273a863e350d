"""When must a page run again? A key over everything that its outputs depend on.

The page's own source; the code of the course_lib modules that it imports, and of theirs; the
artifacts it loads, by their keys; the lock, the profile, the bands and recorded results of its
chapter. Front and back matter is drawn from the whole repository, so there everything counts.
"""

import ast
import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

from course_lib import imports
from tools.sources import REPO, Source, sources

LINEAGE = "course_lib.lineage"
STAGES = ("corpus", "tokenizer", "base", "sft", "aligned", "quantized")
DRAWN = ("_build/parity", "_build/costs", "_build/figures")
FORMAT = "1"


def page_key(source: Source, profile: str, artifact_key: Callable[[str], str]) -> str:
    """The key of a page under a profile; `artifact_key` gives that of a stage of the lineage."""
    code = source.code()
    modules = {name for name in imports.imports_of(code, source.page) if imports.module_path(name)}
    parts = {
        "format": FORMAT,
        "profile": profile,
        "source": source.text,
        "lock": _read(REPO / "requirements.lock"),
        "bands": _read(REPO / "book" / source.stem / "expected.yml"),
        "results": files_hash((REPO / "results" / source.stem).rglob("*.json")),
    }
    if source.stem not in _chapters():
        modules = set(imports.module_names())
        parts["pages"] = files_hash(page.path for page in sources())
        parts["bands"] = files_hash((REPO / "book").rglob("*.yml"))
        parts["results"] = files_hash((REPO / "results").rglob("*.json"))
    parts["code"] = imports.closure_hash(modules, stop=[LINEAGE])
    parts["artifacts"] = " ".join(artifact_key(stage) for stage in sorted(stages_in(code)))
    if source.last:
        parts["drawn"] = files_hash(p for d in DRAWN for p in (REPO / d).rglob("*.json"))
    digest = hashlib.sha256()
    for name, value in sorted(parts.items()):
        digest.update(f"{name}={hashlib.sha256(value.encode()).hexdigest()}\n".encode())
    return digest.hexdigest()


def stages_in(code: str) -> set[str]:
    """The stages of the lineage that a page's code asks for; all of them where that isn't plain."""
    found: set[str] = set()
    known = {"tokenizer": {"tokenizer"}, "corpus": {"corpus"}, "world": {"corpus"}}
    known |= dict.fromkeys(("published", "published_file"), {"published"})
    known["PUBLISHED_MISSING"] = {"published"}
    named: dict[int, set[str]] = {}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and node.args and _is_lineage(node.func):
            first = node.args[0]
            if isinstance(first, ast.Constant) and first.value in STAGES:
                named[id(node.func)] = {first.value}
        if isinstance(node, ast.ImportFrom) and node.module == LINEAGE:
            return set(STAGES)
        if _is_lineage(node):
            found |= known.get(node.attr) or named.get(id(node)) or set(STAGES)
    return found


def _is_lineage(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "lineage"
    )


def files_hash(paths: Iterable[Path]) -> str:
    """A hash over the names and contents of files."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.relative_to(REPO).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _chapters() -> set[str]:
    return {name.split(".")[1] for name in imports.module_names() if name.count(".") == 1}


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
