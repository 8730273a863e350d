"""course_lib as a house, drawn from its source: packages are rooms, imports are arrows downwards.

A room stands on the floor above all that it imports, so no arrow can run up. A room is as wide as
its code is long. Nothing here is drawn by hand: a change in the code changes the picture.
"""

from collections.abc import Iterable, Mapping

from course_lib import imports
from course_lib.page import svg
from course_lib.page.plots import GREY, SKY

WIDTH, FLOOR, ROOF = 660, 84, 62


def package_edges(edges: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """Imports between the packages of course_lib, from those between its modules.

    The root's own modules (runtime, artifacts, lineage …) are left out: they belong to no package.
    """
    packages = sorted({module.split(".")[1] for module in edges if module.count(".") >= 2})
    found: dict[str, set[str]] = {name: set() for name in packages}
    for module, targets in edges.items():
        here = module.split(".")[1] if "." in module else ""
        for target in targets:
            there = target.split(".")[1] if "." in target else ""
            if here in found and there in found and here != there:
                found[here].add(there)
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


def floors(edges: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """The rooms of each floor from the ground up: a room stands above all that it imports."""
    depth: dict[str, int] = {}

    def floor(node: str) -> int:
        if node not in depth:
            depth[node] = 1 + max((floor(target) for target in edges[node]), default=-1)
        return depth[node]

    rows: list[list[str]] = [[] for _ in range(1 + max(map(floor, edges)))]
    for node in edges:
        rows[floor(node)].append(node)
    return rows


def lines_of(package: str) -> int:
    """How many lines of code a package has."""
    modules = [m for m in imports.module_names() if m.split(".")[1:2] == [package]]
    paths = [imports.module_path(module) for module in modules]
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


def house_svg(edges: Mapping[str, Iterable[str]], links: Mapping[str, str]) -> str:
    """The house: floors, a roof, and an arrow for each import that no chain of others implies.

    links: package -> address, for those rooms that are chapters.
    """
    edges = reduced(edges)
    rows, spots, boxes = floors(edges), {}, []
    height = ROOF + FLOOR * len(rows) + 14
    for number, row in enumerate(rows):
        y = height - 14 - FLOOR * (number + 1) + 14
        row.sort(key=lambda n: (_middle(spots[t][0] for t in edges[n]), n))
        widths = [74 + 0.85 * lines_of(node) ** 0.5 for node in row]
        gap = (WIDTH - 40 - sum(widths)) / (len(row) + 1)
        x = 20 + gap
        for node, wide in zip(row, widths, strict=True):
            spots[node] = (x + wide / 2, y)
            note = f"{lines_of(node):,} lines"
            tint = svg.BLUE if node in links else svg.GREY
            room = svg.box(x, y, wide, 48, node, round_=4, size=15, note=note, tint=tint)
            boxes.append(svg.linked(room, links.get(node, "")))
            x += wide + gap
    arrows = [
        _down(*spots[node], *spots[target])
        for node, targets in edges.items()
        for target in sorted(targets)
    ]
    parts = [svg.marker("imports", SKY), *_shell(len(rows), height), *arrows, *boxes]
    return svg.picture(WIDTH, height, parts, "Which package imports which")


def _shell(n_floors: int, height: svg.Size) -> list[str]:
    """Roof, walls, ceilings and the ground."""
    line = f'fill="none" stroke="{GREY}" stroke-width="1.5"'
    left, right, ground = 14, WIDTH - 14, height - 14
    parts = [f'<path d="M4 {ROOF}L{WIDTH / 2:.0f} 8L{WIDTH - 4} {ROOF}" {line}/>']
    parts += [f'<path d="M{left} {ROOF}V{ground}H{right}V{ROOF}" {line}/>']
    for number in range(1, n_floors):
        y = ground - FLOOR * number
        parts.append(f'<path d="M{left} {y}H{right}" {line} stroke-dasharray="2 5"/>')
    return parts


def _down(x: svg.Size, y: svg.Size, to_x: svg.Size, to_y: svg.Size) -> str:
    start, end = y + 48, to_y - 3
    bend = (end - start) / 2
    path = f"M{x:.0f} {start:.0f}C{x:.0f} {start + bend:.0f} {to_x:.0f} {end - bend:.0f} "
    return svg.arrow(path + f"{to_x:.0f} {end:.0f}", SKY, "imports")


def _middle(values: Iterable[svg.Size]) -> float:
    values = list(values)
    return sum(values) / len(values) if values else WIDTH / 2
