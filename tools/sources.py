"""The book's source notebooks: which there are, and how they are read."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jupytext
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

REPO = Path(__file__).resolve().parent.parent
KINDS = {"book": REPO / "book", "solutions": REPO / "solutions"}
# Drawn from what the other pages and the parity tests left behind, so executed after them.
LAST = ("reference/costs", "reference/proven-equal")


@dataclass(frozen=True)
class Source:
    """A MyST text notebook: kind `book` or `solutions`, name `stem/topic`."""

    kind: str
    name: str
    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def page(self) -> str:
        """Its path in the repository."""
        return self.path.relative_to(REPO).as_posix()

    @property
    def stem(self) -> str:
        return self.name.split("/")[0]

    @property
    def last(self) -> bool:
        return self.kind == "book" and self.name in LAST

    def notebook(self) -> NotebookNode:
        """The notebook, its text still MyST, without outputs."""
        return jupytext.reads(self.text, fmt="md:myst")

    def code(self) -> str:
        """All code cells as one Python text, IPython's own lines translated."""
        cells = [cell.source for cell in self.notebook().cells if cell.cell_type == "code"]
        return "\n".join(TransformerManager().transform_cell(cell) for cell in cells)


def is_notebook(text: str) -> bool:
    """Whether a markdown text is a text notebook: its front matter says so."""
    return text.startswith("---\n") and "\njupytext:" in text.split("\n---", 1)[0] + "\n"


def sources(*kinds: str) -> list[Source]:
    """Every text notebook of these kinds (all by default), sorted by name."""
    return sorted(_find(kinds or tuple(KINDS)), key=lambda source: (source.kind, source.name))


def _find(kinds: tuple[str, ...]) -> Iterator[Source]:
    for kind in kinds:
        folder = KINDS[kind]
        for path in folder.rglob("*.md") if folder.is_dir() else ():
            if not path.name.startswith(".") and is_notebook(path.read_text(encoding="utf-8")):
                name = path.relative_to(folder).with_suffix("").as_posix()
                yield Source(kind=kind, name=name, path=path)


def tags(cell: NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", ()))


def project() -> dict:
    """pyproject.toml's [project] table."""
    return tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def repository_url() -> str:
    return project()["urls"]["Repository"].rstrip("/")
