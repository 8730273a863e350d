"""The map of the book, drawn from the code: who makes which artifact, and who imports whom.

Nothing here is drawn by hand. Makers and parents come from the recipes of the lineage, readers
from the pages' own calls, and the import graph from the source (course_lib.imports). A change in
any of them changes the picture.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from course_lib.page import show
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


def reduced(edges: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """The graph without the edges that a longer path implies (its transitive reduction)."""
    direct = {node: set(targets) for node, targets in edges.items()}

    def reach(node: str) -> set[str]:
        return set().union(*({t} | reach(t) for t in direct.get(node, ())), set())

    return {
        node: {t for t in targets if not any(t in reach(o) for o in targets - {t})}
        for node, targets in direct.items()
    }


def package_edges(edges: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """Imports between the chapters' packages and `world`, from those between modules."""
    known = {"world", *ROOMS}
    found: dict[str, set[str]] = {name: set() for name in ("world", *ROOMS)}
    for module, targets in edges.items():
        parts = module.split(".")
        if len(parts) < 2 or parts[1] not in known:
            continue
        for target in targets:
            other = target.split(".")[1] if "." in target else ""
            if other in known and other != parts[1]:
                found[parts[1]].add(other)
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
    parts = [_marker("make", VERMILION), _marker("read", SKY), _marker("next", GREY)]
    makers = {stage.name: stage.maker for stage in stages}
    count = Counter(n for stem, names in reads.items() for n in set(names) if makers[n] != stem)
    common = {name for name, chapters in count.items() if 2 * chapters >= len(ROOMS)}
    for stem, names in reads.items():
        made = {stage.name for stage in stages if stage.maker == stem}
        for name in sorted(set(names) - made - common):
            path = f"M350 {spots[name]:.0f}C290 {spots[name]:.0f} 290 {boxes[stem]:.0f} 234 "
            parts.append(_arrow(path + f"{boxes[stem]:.0f}", SKY, "read"))
    parents = reduced({stage.name: stage.parents for stage in stages})
    for stage in stages:
        a, b = boxes[stage.maker], spots[stage.name]
        parts.append(_arrow(f"M230 {a:.0f}C290 {a:.0f} 290 {b:.0f} 346 {b:.0f}", VERMILION, "make"))
        for parent in sorted(parents[stage.name]):
            line = f"M415 {spots[parent] + 16:.0f}V{b - 17:.0f}"
            parts.append(_arrow(line, GREY, "next"))
        parts.append(_box(350, b - 16, 130, 32, stage.name, round_=16))
    for number, (stem, title) in enumerate(ROOMS.items(), 1):
        box = _box(4, boxes[stem] - 19, 226, 38, f"{number}  {title}", round_=5)
        parts.append(_linked(box, link.format(stem=stem)))
    return _svg(490, y + 4, parts, "The nine chapters and the artifacts that pass between them")


def imports_svg(edges: Mapping[str, Iterable[str]], link: str = "") -> str:
    """The packages in layers, each below everything that it imports.

    An arrow that a chain of others implies is left out, or nothing could be seen.
    """
    edges = reduced(edges)
    depth: dict[str, int] = {}

    def level(node: str) -> int:
        if node not in depth:
            depth[node] = 1 + max((level(target) for target in edges[node]), default=-1)
        return depth[node]

    rows: dict[int, list[str]] = {}
    for node in edges:
        rows.setdefault(level(node), []).append(node)
    width, spots = 620, {}
    for index, row in sorted(rows.items()):
        row.sort(key=lambda n: _mean(spots[t][0] for t in edges[n]) if edges[n] else width / 2)
        for i, node in enumerate(row):
            spots[node] = (width * (i + 0.5) / len(row), 24 + 78 * index)
    parts = [_marker("imports", SKY)]
    for node, targets in edges.items():
        for target in sorted(targets):
            (x, y), (to_x, to_y) = spots[node], spots[target]
            bend = (y - to_y) / 2.5
            path = f"M{x:.0f} {y - 16:.0f}C{x:.0f} {y - bend:.0f} {to_x:.0f} {to_y + bend:.0f} "
            parts.append(_arrow(path + f"{to_x:.0f} {to_y + 20:.0f}", SKY, "imports"))
    for node, (x, y) in spots.items():
        box = _box(x - 58, y - 16, 116, 32, node, round_=5, size=14)
        parts.append(_linked(box, link.format(stem=node) if node in ROOMS else ""))
    return _svg(width, 48 + 78 * max(rows), parts, "Which package imports which")


def standalone(svg: str) -> str:
    """The picture as a file of its own, in colours that follow the viewer's light or dark mode."""
    style = (
        "<style>svg{color:#222}@media(prefers-color-scheme:dark){svg{color:#ddd}}"
        "text{font-family:system-ui,sans-serif}</style>"
    )
    return re.sub(r"(<svg [^>]*>)", rf"\1{style}", svg, count=1) + "\n"


def draw(svg: str, caption: str, alt: str) -> None:
    """Show a map on a page, with its caption and a description in words."""
    picture = re.sub(r'aria-label="[^"]*"', f'aria-label="{show.escape(alt)}"', svg, count=1)
    show.html(
        '<figure class="course-figure" style="margin:1rem 0;max-width:100%;overflow-x:auto">'
        f"{picture}{show.figcaption(caption)}</figure>",
        text=f"[figure] {caption}\n{alt}",
    )


def _mean(values: Iterable[Size]) -> float:
    values = list(values)
    return sum(values) / len(values)


def _marker(name: str, colour: str) -> str:
    return (
        f'<marker id="map-{name}" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="{colour}"/></marker>'
    )


def _arrow(path: str, colour: str, marker: str) -> str:
    return (
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2" '
        f'marker-end="url(#map-{marker})"/>'
    )


def _box(
    x: Size, y: Size, width: Size, height: Size, text: str, *, round_: int, size: int = 16
) -> str:
    place = (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height:.0f}" rx="{round_}" '
    )
    return (
        f'{place}fill="var(--pst-color-background, var(--jp-layout-color0, Canvas))"/>'
        f'{place}fill="rgba(128,128,128,.12)" stroke="currentColor" stroke-width="1.5"/>'
        f'<text x="{x + width / 2:.0f}" y="{y + height / 2 + size * 0.35:.1f}" '
        f'font-size="{size}" fill="currentColor" text-anchor="middle">{show.escape(text)}</text>'
    )


def _linked(box: str, address: str) -> str:
    return f'<a href="{show.escape(address)}">{box}</a>' if address else box


def _svg(width: Size, height: Size, parts: list[str], label: str) -> str:
    role = "group" if any(part.startswith("<a ") for part in parts) else "img"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="{role}" aria-label="{label}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" style="width:{width:.0f}px;max-width:100%;'
        f'min-width:min({width:.0f}px,26rem);height:auto">{"".join(parts)}</svg>'
    )
