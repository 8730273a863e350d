"""One door to every corpus: `source(name)` yields records, whatever lies behind it."""

from collections.abc import Iterator

from course_lib.data.records import Record
from course_lib.data.sources.hub import HUB, hub
from course_lib.data.sources.python_text import python_code, python_docs
from course_lib.world import World, WorldConfig

SOURCES = ("world", "python_docs", "python_code", *(f"hub:{name}" for name in HUB))


def source(name: str, **options) -> Iterator[Record]:
    """Records of a source, lazily: take what you need with `itertools.islice`.

    "world"        our micro-world; options split, n, seed, world. Knows its entropy. The default.
    "python_docs"  language reference and docstrings on this machine; kinds, packages, modules.
    "python_code"  the standard library's source; modules.
    "hub:NAME"     a corpus of the Hugging Face hub, streamed; files for local copies.
    """
    if name == "world":
        return world_records(**options)
    if name == "python_docs":
        return python_docs(**options)
    if name == "python_code":
        return python_code(**options)
    if name.startswith("hub:"):
        return hub(name.removeprefix("hub:"), **options)
    raise ValueError(f"source {name!r} is not one of {', '.join(SOURCES)}")


def world_records(
    split: str = "train", n: int = 1000, seed: int = 0, world: World | None = None
) -> Iterator[Record]:
    """Documents of the micro-world with their exact surprisal in nats."""
    for doc in (world or World(WorldConfig())).documents(split, n, seed):
        yield Record(f"world/{doc.id}", doc.text, "world", "MIT", doc.kind, doc.nats)
