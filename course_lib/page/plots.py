"""Figures for the pages: matplotlib drawn as inline SVG, with a caption and alt text.

    with figure("Loss falls in stages.", alt="A curve that ...", width=6, height=3.2) as ax:
        ax.plot(steps, loss, label="validation")
        ax.set(xlabel="step", ylabel="loss (nats per token)")
        ax.legend()

The background is transparent, and text, axes and grid are drawn in the page's own text colour, so
one SVG serves light and dark pages. Series take the colours of Okabe and Ito (2008), which people
with any common form of colour blindness can tell apart. A figure without a caption, without alt
text or with an unlabelled numeric axis is refused: a reader must never guess what was plotted.
"""

import hashlib
import html
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.category import StrCategoryFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, NullFormatter, NullLocator

from course_lib.page import show

BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
SKY, ORANGE, YELLOW, GREY = "#56B4E9", "#E69F00", "#F0E442", "#888888"
PALETTE = (SKY, VERMILION, GREEN, ORANGE, PURPLE, BLUE, YELLOW, GREY)

INK = "#010203"  # stands for the page's text colour: becomes currentColor in the SVG

_STYLE = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.labelsize": 10,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=PALETTE),
    "figure.facecolor": "none",
    "figure.constrained_layout.use": True,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "grid.color": INK,
    "grid.alpha": 0.15,
    "image.cmap": "viridis",
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "legend.fontsize": 9,
    "lines.linewidth": 2.0,
    "patch.edgecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
}


@contextmanager
def figure(
    caption: str,
    *,
    alt: str,
    width: int | float = 6.0,
    height: int | float = 3.2,
    rows: int = 1,
    columns: int = 1,
    sharex: bool = False,
    sharey: bool = False,
) -> Iterator[Axes]:
    """Draw on the yielded axes; the figure is shown when the block ends.

    Yields one Axes, or an array of them where rows × columns > 1. `width` and `height` are inches
    at 96 pixels each, for the whole figure; on a narrow screen it shrinks, down
    to where its words can still be read.
    Raises ValueError without a caption or alt text, or where a numeric axis has no label.
    """
    for name, text in (("caption", caption), ("alt", alt)):
        if not text.strip():
            raise ValueError(f"{name} is empty: say in a sentence what the figure shows")
    with matplotlib.rc_context(_STYLE):
        drawing = Figure(figsize=(width, height))
        axes = drawing.subplots(rows, columns, sharex=sharex, sharey=sharey)
        yield axes
        for ax in drawing.axes:
            _require_labels(ax)
        markup = to_html(drawing, caption, alt)
    show.html(markup, text=f"[figure] {caption}\n{alt}")


def to_html(drawing: Figure, caption: str, alt: str) -> str:
    """The figure as a <figure> element around an inline SVG and its caption."""
    picture = svg(drawing, key=caption + alt)
    label = html.escape(" ".join(alt.split()), quote=True)
    picture = picture.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
    return (
        '<figure class="course-figure" style="margin:1rem 0;max-width:100%;overflow-x:auto">'
        f"{picture}{show.figcaption(caption)}</figure>"
    )


def svg(drawing: Figure, key: str) -> str:
    """The figure as an SVG element that can stand inside a page beside others.

    Matplotlib numbers its elements from 1 in each file; the ids are made unique by `key`, and the
    stand-in colour becomes currentColor. The same drawing and key give the same text every time.
    """
    tag = "f" + hashlib.sha256(key.encode()).hexdigest()[:8]
    buffer = io.StringIO()
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": tag}):
        drawing.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg ") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{tag}-\1"', text)
    text = re.sub(r'(href="|url\()#', rf"\1#{tag}-", text)
    text = text.replace(INK, "currentColor")
    text = text.replace("'DejaVu Sans'", "system-ui, 'DejaVu Sans', sans-serif")
    return _responsive(text)


def _responsive(text: str) -> str:
    """Points become pixels, and the picture may shrink to its column but never stretch."""
    size = re.search(r'<svg [^>]*?height="([\d.]+)pt"[^>]*?width="([\d.]+)pt"', text)
    size = size or re.search(r'<svg [^>]*?width="([\d.]+)pt"[^>]*?height="([\d.]+)pt"', text)
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    if size is None or box is None:
        raise ValueError("matplotlib wrote an SVG without width, height or viewBox")
    pixels = float(box[1]) * 96 / 72
    text = re.sub(r'\b(width|height)="[\d.]+pt" ?', "", text, count=2)
    style = f"width:{pixels:.0f}px;max-width:100%;min-width:min({pixels:.0f}px,26rem);height:auto"
    return text.replace("<svg ", f'<svg style="{style}" ', 1)


def _require_labels(ax: Axes) -> None:
    if not ax.axison or not ax.get_visible():
        return
    for name, axis in (("x", ax.xaxis), ("y", ax.yaxis)):
        if _is_numeric(axis) and not axis.get_label_text().strip():
            raise ValueError(f"the {name} axis has no label: name the quantity and its unit")


def _is_numeric(axis: Axis) -> bool:
    """Whether the axis shows numbers (not names of categories, and not hidden)."""
    if not axis.get_visible() or isinstance(axis.get_major_locator(), NullLocator):
        return False
    if not axis.get_tick_params().get("labelleft", True):
        return False
    if not axis.get_tick_params().get("labelbottom", True):
        return False
    words = (StrCategoryFormatter, FixedFormatter, NullFormatter)
    return not isinstance(axis.get_major_formatter(), words)
