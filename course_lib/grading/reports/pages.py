"""A student's page: points, tests, what was said of the files, and the code as graded."""

from collections.abc import Mapping

from course_lib.checks.exercise import Exercise
from course_lib.grading.intake.notebook import plain_text
from course_lib.grading.outcome import Graded, Result
from course_lib.grading.reports.markup import Safe, page, tag
from course_lib.grading.reports.words import STAMP, About, counts_nothing, explained, number

MAX_LINES, MAX_WIDTH = 600, 400  # of code that is shown


def feedback(
    result: Result,
    exercises: Mapping[str, Exercise],
    about: About = About(),  # noqa: B008  (frozen)
    sources: Mapping[str, str] | None = None,
) -> str:
    """One student's page. What came from the student is cleaned, and escaped by `tag`.

    sources: exercise -> the code that was graded.
    """
    who = about.who(result.student)
    score = f"{number(result.points)} of {result.out_of} points"
    body = [stamp(result.sandboxed), tag("h1", who), tag("p", about.graded, class_="soft")]
    body.append(tag("p", tag("strong", score)))
    if result.note:
        body.append(tag("p", plain_text(result.note)))
    if result.problems:
        notes = [tag("li", plain_text(said, 500)) for said in result.problems]
        body += [tag("h2", "About the files"), tag("ul", *notes)]
    sources = sources or {}
    body += [_card(one, exercises, about, sources.get(one.exercise, "")) for one in result.graded]
    digest = f"Result {result.digest}. The tests' inputs are drawn anew, so they aren't shown."
    return page(f"Feedback for {who}", *body, tag("p", digest, class_="soft"))


def _card(one: Graded, exercises: Mapping[str, Exercise], about: About, source: str) -> Safe:
    exercise = exercises.get(one.exercise)
    title = exercise.title if exercise else about.titles.get(one.exercise, one.exercise)
    good, tried = one.status == "passed", one.status != "not attempted"
    head = f"{number(one.points)} of {one.out_of} points · {one.status}"
    parts = [
        tag("h2", title, " ", tag("span", one.exercise, class_="soft")),
        tag("p", head, class_="good" if good else "bad" if tried else "soft"),
    ]
    if one.note:
        parts.append(tag("p", tag("strong", plain_text(one.note))))
    if why := explained(one.status):
        parts.append(tag("p", why))
    if one.mistake:
        parts.append(tag("p", tag("strong", "This looks familiar. "), one.mistake))
    if one.said:
        parts.append(tag("pre", plain_text(one.said)))
    if nothing := counts_nothing(one):
        parts.append(tag("p", nothing))
    if one.tests and tried:
        tests = [_test(*each, counts=not nothing) for each in one.tests]
        parts.append(tag("ul", *tests, class_="tests"))
    if one.status in ("partly", "wrong"):
        check = f"check.{one.exercise.split('/')[-1]}"
        parts.append(tag("p", f"{check} in the notebook shows a failing input.", class_="soft"))
    if source.strip():
        parts.append(code(source))
    return tag("section", *parts, class_="card")


def _test(holds: bool, what: str, counts: bool) -> Safe:
    mark = tag("span", "✓ " if holds else "✗ ", class_="good" if holds else "bad")
    none = "" if counts or not holds else tag("span", " · an edge, counts 0", class_="soft")
    return tag("li", mark, plain_text(what, 300), none)


def code(source: str) -> Safe:
    """The student's code, folded, its lines numbered as tracebacks number them.

    Runs of empty lines (what wasn't graded is blank) are one; what is cut is said.
    """
    lines = source.split("\n")
    shown: list[str] = []
    empty = False
    for at, line in enumerate(lines[:MAX_LINES], start=1):
        if line.strip() or not empty:
            shown.append(f"{at:>4}  {plain_text(line.expandtabs(4), MAX_WIDTH)}".rstrip())
        empty = not line.strip()
    if len(lines) > MAX_LINES:
        shown.append(f"… and {len(lines) - MAX_LINES:,} more lines")
    said = tag("summary", "Your code, as it was graded")
    return tag("details", said, tag("pre", "\n".join(shown), class_="code"))


def stamp(sandboxed: bool) -> Safe:
    """What stands over everything that was graded without a sandbox."""
    return Safe("") if sandboxed else tag("p", STAMP, class_="stamp")
