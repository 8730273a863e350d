"""Small pieces of SVG that the maps of the book are made of, and the way to show them."""

import re

from course_lib.page import show

Size = int | float
# Half transparent over the page's own background: they serve light and dark pages alike.
GREY, BLUE = "rgba(128,128,128,.12)", "rgba(86,180,233,.2)"


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


def marker(name: str, colour: str) -> str:
    """The head of an arrow; `arrow` asks for it by its name."""
    return (
        f'<marker id="map-{name}" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="{colour}"/></marker>'
    )


def arrow(path: str, colour: str, marker: str) -> str:
    """A line along `path` that ends in a marker's head."""
    return (
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2" '
        f'marker-end="url(#map-{marker})"/>'
    )


def box(
    x: Size,
    y: Size,
    width: Size,
    height: Size,
    text: str,
    *,
    round_: int,
    size: int = 16,
    note: str = "",
    tint: str = GREY,
) -> str:
    """A box with its name in the middle, and a smaller note below the name."""
    middle = y + height / 2 + size * 0.35 - (8 if note else 0)
    place = (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height:.0f}" rx="{round_}" '
    )
    return (
        f'{place}fill="var(--pst-color-background, var(--jp-layout-color0, Canvas))"/>'
        f'{place}fill="{tint}" stroke="currentColor" stroke-width="1.5"/>'
        f"{words(x + width / 2, middle, text, size)}"
        f"{words(x + width / 2, middle + 15, note, 11)}"
    )


def words(x: Size, y: Size, text: str, size: int) -> str:
    """A line of text, centred on x; nothing where it is empty."""
    if not text:
        return ""
    return (
        f'<text x="{x:.0f}" y="{y:.1f}" font-size="{size}" fill="currentColor" '
        f'text-anchor="middle">{show.escape(text)}</text>'
    )


def linked(box: str, address: str) -> str:
    """The box as a link, where there is an address."""
    return f'<a href="{show.escape(address)}">{box}</a>' if address else box


def picture(width: Size, height: Size, parts: list[str], label: str) -> str:
    """All parts as one picture, never wider than the page."""
    role = "group" if any(part.startswith("<a ") for part in parts) else "img"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="{role}" aria-label="{label}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" style="width:{width:.0f}px;max-width:100%;'
        f'min-width:min({width:.0f}px,26rem);height:auto">{"".join(parts)}</svg>'
    )
