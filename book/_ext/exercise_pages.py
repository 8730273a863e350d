"""Exercises in the book: a chapter's list of them, and the page of each with its solution folded.

- {exercises} is a table of the chapter's exercises, made from the checks' own catalogue.
- tools/build.py stages each solutions/<stem>/<topic>.md as a page of that name. There, everything
  under the heading "Solution" is folded, and the buttons that open or download a page's notebook
  give the exercise, exercises/<stem>/<topic>.ipynb, and never the solution.
"""

import inspect
import shutil
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from course_lib.checks import catalogue
from course_lib.checks.exercise import KINDS, Exercise

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "solutions/"
OPEN = (
    '<details class="course-solution"><summary><span class="closed">Show the solution</span>'
    '<span class="opened">Hide the solution</span></summary>'
)


def notebook_of(docname: str) -> str:
    """The learner's notebook of a page solutions/<stem>/<topic>."""
    return f"exercises/{docname.removeprefix(FOLDER)}.ipynb"


def signature(exercise: Exercise) -> str:
    """What the learner writes, as my_attention(q, k, v, mask)."""
    names = inspect.signature(exercise.reference).parameters
    return f"{exercise.answer}({', '.join(n for n in names if n not in exercise.constants)})"


class Exercises(SphinxDirective):
    """The exercises of this page's chapter: what you write, kind, minutes, points, notebook."""

    def run(self) -> list[nodes.Node]:
        stem = self.env.docname.split("/")[0]
        own = [e for name, e in catalogue().items() if name.startswith(f"{stem}/")]
        if not own:
            raise self.error(f"course_lib.checks.{stem} holds no exercise")
        own.sort(key=lambda e: (KINDS.index(e.kind), e.minutes, e.title))
        return self.parse_text_to_nodes(self.text(stem, own))

    def text(self, stem: str, own: list[Exercise]) -> str:
        many = "One exercise" if len(own) == 1 else f"{len(own)} exercises"
        hours, points = sum(e.minutes for e in own) / 60, sum(e.points for e in own)
        lines = [
            f"{many}, about {hours:.1f} hours and {points} points in all. Each is "
            "a notebook with one function for you to write; a check answers at once, and names the "
            "mistakes it knows. How to work one: {doc}`/for_learners`.",
            "",
            "| Exercise, and what you write | Kind, time, points | Notebook |",
            "|---|---|---|",
        ]
        for e in own:
            title = f"{{doc}}`{e.title} </{FOLDER}{e.name}>`<br>`{signature(e)}`"
            where = f"{{colab}}`exercises/{e.name}.ipynb`"
            worth = f"{e.kind}, {e.minutes} minutes, {e.points} points"
            lines.append(f"| {title} | {worth} | {where} |")
        lines += [
            "",
            f"`course progress {stem}` shows what you have done, tried and left open here, and "
            f"your points. In a notebook, put an exclamation mark before it.",
        ]
        return "\n".join(lines)


def fold(app: Sphinx, doctree: nodes.document) -> None:
    """Fold all that stands under the heading "Solution" of an exercise's page."""
    if not app.env.docname.startswith(FOLDER):
        return
    for section in doctree.findall(nodes.section):
        if section[0].astext() == "Solution":
            section.insert(1, nodes.raw("", OPEN, format="html"))
            section.append(nodes.raw("", "</details>", format="html"))
            return
    raise ValueError(f"{app.env.docname} has no heading ## Solution")


def point_at_exercise(app: Sphinx, pagename: str, template: str, context: dict, doctree) -> None:
    """The button that opens a page in Colab opens the exercise there, not its solution."""
    if not pagename.startswith(FOLDER):
        return
    for group in context.get("header_buttons", ()):
        for button in group.get("buttons", ()):
            if button["text"] == "Colab":
                before, blob, rest = button["url"].partition("/blob/")
                branch = rest.split("/")[0]
                button["url"] = f"{before}{blob}{branch}/{notebook_of(pagename)}"


def hand_out_exercises(app: Sphinx, error: Exception | None) -> None:
    """What the download button of an exercise's page gives is the exercise."""
    copied = Path(app.outdir) / "_sources"
    for path in (copied / FOLDER).rglob("*.ipynb") if error is None else ():
        docname = path.relative_to(copied).with_suffix("").as_posix()
        shutil.copyfile(ROOT / notebook_of(docname), path)


def setup(app: Sphinx) -> None:
    app.add_directive("exercises", Exercises)
    app.connect("doctree-read", fold)
    app.connect("html-page-context", point_at_exercise, priority=900)
    app.connect("build-finished", hand_out_exercises)
