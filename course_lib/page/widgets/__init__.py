"""Interactive pictures: a script of this folder, running in the page over JSON of the page.

A script `<name>.js` is one JavaScript expression: an object with a method `draw(root, data)` that
builds the picture inside the element `root`, and the pure functions it uses, which tests call by
themselves. No script asks anything of the network. `_form.js` is no picture: it gives the labelled
controls that calculators share, which `draw` finds under the name `form`.
"""

import hashlib
import json
from pathlib import Path

from course_lib.page import show

FOLDER = Path(__file__).parent


def script(name: str) -> str:
    """The source of `<name>.js`. Raises ValueError that lists the scripts there are."""
    path = FOLDER / f"{name}.js"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in FOLDER.glob("[!_]*.js")))
        raise ValueError(f"{name!r} is no interactive picture: expected one of {known}")
    return path.read_text(encoding="utf-8")


def markup(name: str, data: object, caption: str) -> str:
    """The HTML of the picture: an empty element, its data, its script and its caption."""
    if not caption.strip():
        raise ValueError("caption is empty: say in a sentence what the picture shows")
    # "</" and "<!--" would end or hide the script; in a JSON string \u003c is the same character.
    values = json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    # From the content, so that two pictures on one page differ and a page always has the same ids.
    root = f"{name}-{hashlib.sha256((values + caption).encode()).hexdigest()[:8]}"
    return (
        f'<figure class="course-figure" style="margin:1rem 0;max-width:100%"><div id="{root}">'
        "This picture needs JavaScript.</div>"
        f'<script>(() => {{ const root = document.getElementById("{root}"); root.textContent = "";'
        f"\nconst form = {script('_form').strip()};"
        f"\nconst widget = {script(name).strip().removesuffix(';')};\n"
        f"widget.draw(root, {values}); }})();</script>"
        f"{show.figcaption(caption)}</figure>"
    )


def widget(name: str, data: object, caption: str, *, text: str) -> None:
    """Show the picture; `text` says in words what it shows, for a terminal and without HTML."""
    show.html(markup(name, data, caption), f"[interactive] {caption}\n{text}")
