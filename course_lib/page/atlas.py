"""The map of the book, drawn from the code: which chapter makes which artifact, and who reads it.

Nothing here is drawn by hand. Makers and parents come from the recipes of the lineage, readers
from the pages' own calls. A change in any of them changes the picture.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from course_lib.page import svg
from course_lib.page.house import reduced
from course_lib.page.plots import GREY, SKY, VERMILION

ROOMS = {
    "architecture": "Architecture",
    "data": "Data",
    "pretraining": "Pretraining",
    "scaling": "Scaling laws",
    "distributed": "Distributed training",
    "sft": "Supervised fine-tuning",
    "alignment": "Alignment",
    "evaluation": "Evaluation",
    "deployment": "Deployment",
}
Size = int | float
_LOOP = re.compile(r"lineage\.(?:model|artifact)\(\s*[a-z_]")
_NAME = re.compile(r"\"(base|sft|aligned|quantized)\"")
_CALL = re.compile(r"lineage\.(?:(?:model|artifact)\(\s*\"(\w+)\"|(corpus|tokenizer)\(\))")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """An artifact on the map: the chapter that makes it, and the artifacts it is made from."""

    name: str
    maker: str
    parents: tuple[str, ...]


def stages(recipes: Mapping[str, object]) -> list[Stage]:
    """The stages of a lineage, as `course_lib.lineage.recipes()` gives it."""
    return [
        Stage(
            name=name,
            maker=recipe.build.__module__.split(".")[1],
            parents=tuple(parent.name for parent in recipe.parents),
        )
        for name, recipe in recipes.items()
    ]


def readers(book: Path) -> dict[str, set[str]]:
    """Which artifacts the pages of each chapter load: the calls of `lineage` in their sources.

    Where a page loops over stages, the stages that it names anywhere count.
    """
    found = {}
    for stem in ROOMS:
        pages = [path.read_text(encoding="utf-8") for path in sorted((book / stem).glob("*.md"))]
        found[stem] = {a or b for page in pages for a, b in _CALL.findall(page)}
        for page in pages:
            found[stem] |= set(_NAME.findall(page)) if _LOOP.search(page) else set()
    return found


def lineage_svg(stages: list[Stage], reads: Mapping[str, Iterable[str]], link: str = "") -> str:
    """Chapters on the left in the book's order, the artifacts that they make on the right.

    Arrows from an artifact that at least half of the chapters read are left out.
    `link` is a pattern such as "{stem}/index.html" that turns each chapter into a link.
    """
    spots, boxes, y = {}, {}, 4.0
    for stem in ROOMS:
        made = [stage for stage in stages if stage.maker == stem]
        height = 50 * len(made) or 40
        boxes[stem] = y + height / 2
        for i, stage in enumerate(made):
            spots[stage.name] = y + 25 + 50 * i
        y += height + 8
    parts = [svg.marker("make", VERMILION), svg.marker("read", SKY), svg.marker("next", GREY)]
    makers = {stage.name: stage.maker for stage in stages}
    count = Counter(n for stem, names in reads.items() for n in set(names) if makers[n] != stem)
    common = {name for name, chapters in count.items() if 2 * chapters >= len(ROOMS)}
    for stem, names in reads.items():
        made = {stage.name for stage in stages if stage.maker == stem}
        for name in sorted(set(names) - made - common):
            path = f"M350 {spots[name]:.0f}C290 {spots[name]:.0f} 290 {boxes[stem]:.0f} 234 "
            parts.append(svg.arrow(path + f"{boxes[stem]:.0f}", SKY, "read"))
    parents = reduced({stage.name: stage.parents for stage in stages})
    for stage in stages:
        a, b = boxes[stage.maker], spots[stage.name]
        path = f"M230 {a:.0f}C290 {a:.0f} 290 {b:.0f} 346 {b:.0f}"
        parts.append(svg.arrow(path, VERMILION, "make"))
        for parent in sorted(parents[stage.name]):
            line = f"M415 {spots[parent] + 16:.0f}V{b - 17:.0f}"
            parts.append(svg.arrow(line, GREY, "next"))
        parts.append(svg.box(350, b - 16, 130, 32, stage.name, round_=16))
    for number, (stem, title) in enumerate(ROOMS.items(), 1):
        box = svg.box(4, boxes[stem] - 19, 226, 38, f"{number}  {title}", round_=5)
        parts.append(svg.linked(box, link.format(stem=stem)))
    label = "The nine chapters and the artifacts that pass between them"
    return svg.picture(490, y + 4, parts, label)
