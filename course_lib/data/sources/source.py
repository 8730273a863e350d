"""One door to every corpus: `source(name)` yields records, whatever lies behind it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from course_lib.data.records import Record
from course_lib.data.sources.formats import SUFFIXES, Account, ReadConfig, Refused, format_of, read
from course_lib.data.sources.hub import HUB, hub
from course_lib.data.sources.python_text import python_code, python_docs
from course_lib.world import World, WorldConfig

SOURCES = (
    "world",
    "python_docs",
    "python_code",
    "files:PATH",
    *(f"hub:{name}" for name in HUB),
)


def source(name: str, **options) -> Iterator[Record]:
    """Records of a source, lazily: take what you need with `itertools.islice`.

    "world"        our micro-world; options split, n, seed, world. Knows its entropy. The default.
    "python_docs"  language reference and docstrings on this machine; kinds, packages, modules.
    "python_code"  the standard library's source; modules.
    "files:PATH"   your own text: a file or a folder of them; config, account.
    "hub:NAME"     a corpus of the Hugging Face hub, streamed; files for local copies.
    """
    if name == "world":
        return world_records(**options)
    if name == "python_docs":
        return python_docs(**options)
    if name == "python_code":
        return python_code(**options)
    if name.startswith("files:"):
        return own_files(Path(name.removeprefix("files:")), **options)
    if name.startswith("hub:"):
        return hub(name.removeprefix("hub:"), **options)
    raise ValueError(f"source {name!r} is not one of {', '.join(SOURCES)}")


def world_records(
    split: str = "train", n: int = 1000, seed: int = 0, world: World | None = None
) -> Iterator[Record]:
    """Documents of the micro-world with their exact surprisal in nats."""
    for doc in (world or World(WorldConfig())).documents(split, n, seed):
        yield Record(f"world/{doc.id}", doc.text, "world", "MIT", doc.kind, doc.nats)


def own_files(
    path: Path, config: ReadConfig | None = None, account: Account | None = None
) -> Iterator[Record]:
    """Records of a file, or of all files of a known format under a folder, in the order of names.

    `account` counts what couldn't be used. Raises ValueError where there is no such file.
    """
    found = [path]
    if path.is_dir():
        there = sorted(file for file in path.rglob("*") if file.is_file())
        found = list(filter(_readable, there))
        if account is not None:  # else a folder of .docx would be small, and nobody told why
            for file in there:
                if not _readable(file) and not file.name.startswith("."):
                    account.add(Refused(file.name, 1, "unknown format", file.suffix))
    if not path.exists():
        raise ValueError(f"{path}: no such file or folder")
    if not found:
        raise ValueError(f"{path}: no file of a known format there ({', '.join(SUFFIXES)})")
    base = path if path.is_dir() else path.parent
    return (
        replace(record, id=f"files/{file.relative_to(base)}/{record.id}")  # unique in the folder
        for file in found
        for record in read(file, config, account)
    )


def _readable(file: Path) -> bool:
    try:
        return bool(format_of(file))
    except ValueError:
        return False
