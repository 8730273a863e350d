"""The histogram of a class, drawn as SVG."""

from collections.abc import Sequence

from course_lib.grading.reports.markup import Safe, tag


def histogram(counts: Sequence[int]) -> Safe:
    """Bars over the share of points, with their axes."""
    width, height, left, bottom, over = 480, 180, 40, 40, 36
    step, top = width / len(counts), max([*counts, 1])
    parts = []
    for i, count in enumerate(counts):
        tall = height * count / top
        x, y = left + i * step, over + height - tall
        parts.append(
            tag(
                "rect",
                x=f"{x + 2:.1f}",
                y=f"{y:.1f}",
                width=f"{step - 4:.1f}",
                height=f"{tall:.1f}",
            )
        )
        middle = f"{x + step / 2:.1f}"
        if count:
            parts.append(tag("text", count, x=middle, y=f"{y - 4:.1f}", text_anchor="middle"))
        parts.append(
            tag(
                "text",
                f"{i * 100 // len(counts)}",
                x=f"{x:.1f}",
                y=over + height + 16,
                text_anchor="middle",
            )
        )
    floor = over + height
    parts.append(tag("text", "100", x=left + width, y=floor + 16, text_anchor="middle"))
    parts.append(tag("line", x1=left, y1=floor, x2=left + width, y2=floor))
    label = "share of the points (%)"
    parts.append(tag("text", label, x=left + width / 2, y=floor + 34, text_anchor="middle"))
    parts.append(tag("text", "students", x=4, y=12))
    described = ", ".join(f"{n} from {i * 10} %" for i, n in enumerate(counts) if n)
    return tag(
        "svg",
        *parts,
        viewBox=f"0 0 {left + width + 20} {floor + bottom}",
        role="img",
        width=left + width + 20,
        aria_label=f"Students by score: {described}",
    )
