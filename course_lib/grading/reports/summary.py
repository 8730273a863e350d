"""The instructor's page: the class, whom to look at, and everyone, to sort and filter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from course_lib.grading.intake.notebook import plain_text
from course_lib.grading.intake.submission import Student
from course_lib.grading.outcome import Result
from course_lib.grading.reports import tally
from course_lib.grading.reports.lms import status_of
from course_lib.grading.reports.markup import Safe, joined, page, table, tag
from course_lib.grading.reports.pages import stamp
from course_lib.grading.reports.picture import histogram
from course_lib.grading.reports.sorting import SCRIPT
from course_lib.grading.reports.words import About, number

HELD = "Before you hand out marks"


@dataclass(frozen=True, kw_only=True)
class Class:
    """What the page shows. links: student -> feedback page. looks: whom to look at by hand.

    exercises: those that tests grade. held: why marks shouldn't leave the house yet.
    alike: near-copies; published: whether there were solutions to compare with.
    """

    students: Sequence[Student]
    results: Mapping[str, Result]
    exercises: Sequence[str]
    about: About = About()  # noqa: RUF009  (frozen)
    links: Mapping[str, str] = field(default_factory=dict)
    looks: Sequence[tally.Look] = ()
    held: Sequence[str] = ()
    alike: Sequence[tally.Look] = ()
    published: bool = True

    @property
    def graded(self) -> list[Result]:
        """The results there are, in the students' order."""
        found = (self.results.get(s.submission.student) for s in self.students)
        return [result for result in found if result is not None]


def summary(of: Class) -> str:
    """The instructor's page."""
    results = of.graded
    shares = sorted(tally.share(result) for result in results)
    body = [stamp(all(r.sandboxed for r in results)), tag("h1", of.about.title)]
    body.append(tag("p", of.about.graded, class_="soft"))
    if waiting := len(of.students) - len(results):
        said = f"Interrupted: {waiting} not graded yet. The same command goes on from here."
        body.append(tag("p", said, class_="stamp"))
    if of.held:
        body.append(
            tag("section", tag("h2", HELD), *(tag("p", h) for h in of.held), class_="stamp")
        )
    if shares:
        middle = (shares[(len(shares) - 1) // 2] + shares[len(shares) // 2]) / 2
        mean = sum(shares) / len(shares)
        body.append(tag("p", f"{len(shares)} graded · mean {mean:.0%} · median {middle:.0%}"))
    body += [tag("h2", "Distribution of scores"), histogram(tally.distribution(results))]
    body += [tag("h2", "Exercises"), *_items(results, of.exercises)]
    body += [tag("h2", "Commonest misconceptions"), _misconceptions(results)]
    body += [tag("h2", "To look at by hand"), _looks(of, of.looks)]
    body += [tag("h2", "Answers that are much alike"), *_alike(of)]
    body += [tag("h2", "Everyone"), _everyone(of)]
    return page(f"Grades: {of.about.title}", *body, script=SCRIPT)


def _items(results: Sequence[Result], exercises: Sequence[str]) -> list[Safe]:
    rows = []
    for item in tally.items(results, exercises):
        r = "–" if item.discrimination is None else f"{item.discrimination:+.2f}"
        row = [item.exercise, item.tried, item.passed, f"{item.difficulty:.0%}", r]
        rows.append([*row, f"{item.seconds:.1f}"])
    head = ["exercise", "tried", "passed", "mean score", "discrimination", "seconds"]
    said = (
        "Mean score is the item's difficulty: near 100 % everyone can do it. Discrimination is the "
        "point-biserial correlation of passing this exercise with the points of the others: below "
        "about 0.2, look whether the exercise says clearly what it wants."
    )
    return [table(head, rows, numbers=range(1, 6)), tag("p", said, class_="soft")]


def _misconceptions(results: Sequence[Result]) -> Safe:
    rows = [[n, name, said] for name, said, n in tally.misconceptions(results)[:15]]
    if not rows:
        return tag("p", "None was recognised.")
    return table(["students", "exercise", "what the check said"], rows, numbers=[0])


def _looks(of: Class, looks: Sequence[tally.Look]) -> Safe:
    if not looks:
        return tag("p", "Nobody.")
    rows = [[*_who(x.student, of), x.exercise, plain_text(x.why, 600)] for x in looks]
    return table(["name", "login", "exercise", "why"], rows, sortable=True)


def _alike(of: Class) -> list[Safe]:
    said = (
        "Left aside are names, comments, what the notebook gives, and what many wrote; short "
        "answers are never named. It's a hint where to read: both may have learned from one page, "
        "or from each other. No mark changes by it."
    )
    if not of.published:
        said += " The published solutions weren't there to compare with: give --solutions."
    return [_looks(of, of.alike), tag("p", said, class_="soft")]


def _everyone(of: Class) -> Safe:
    head = ["name", "login", "points", "out of", "%", "status", "exercises", "seconds"]
    rows = []
    for student in of.students:
        result = of.results.get(student.submission.student)
        row = [*_who(student.submission.student, of)]
        status = status_of(student, result)
        if result is None:
            rows.append([*row, "", "", "", status, "", ""])
            continue
        row += [number(result.points), result.out_of, f"{100 * tally.share(result):.0f}", status]
        each = ", ".join(f"{g.exercise.split('/')[-1]}: {g.status}" for g in result.graded)
        rows.append([*row, each, f"{result.seconds:.1f}"])
    return table(head, rows, numbers=[2, 3, 4, 7], sortable=True)


def _who(student: str, of: Class) -> tuple[str, Safe]:
    """Name and login, the login with a link to the feedback."""
    shown = plain_text(student, 100)
    link = tag("a", shown, href=of.links[student]) if student in of.links else joined(shown)
    return plain_text(of.about.names.get(student, ""), 100), link
