"""The two pages of a report: feedback for a student, a summary for the instructor."""

from collections.abc import Mapping, Sequence

from course_lib.checks.exercise import Exercise
from course_lib.grading.intake.notebook import plain_text
from course_lib.grading.outcome import Graded, Result
from course_lib.grading.reports import tally
from course_lib.grading.reports.markup import Safe, joined, page, table, tag

STAMP = (
    "Graded WITHOUT a sandbox (--unsafe-no-sandbox): the students' code could read and write "
    "everything that the grader could. Don't give marks by this."
)

EXPLAINED = {
    "out of time": "It didn't come back in time. Is there a loop that never ends?",
    "out of memory": "It asked for more memory than there is. Which tensor grows?",
    "too much output": "It returned or wrote far more than an answer needs.",
    "did not load": "The answer's code failed before its function could be called.",
    "no function": "The function that the exercise asks for is not in the answer.",
    "forbidden": "It calls what the exercise asks you to do without.",
    "too long": "The answer's code is far longer than any answer needs.",
    "ended": "The program came to an end before it gave an answer.",
    "sent no JSON": "What came back was not the value of the function.",
    "not grad": "This is the grader's fault, not yours. Somebody will look at it.",
}


def number(value: float) -> str:
    """Points, without a needless .0."""
    return f"{value:.1f}".removesuffix(".0")


def feedback(result: Result, exercises: Mapping[str, Exercise], name: str = "") -> str:
    """One student's page. What came from the student is cleaned, and escaped by `tag`."""
    who = plain_text(name or result.student, 100)
    score = f"{number(result.points)} of {result.out_of} points"
    body = [_stamp(result.sandboxed), tag("h1", who), tag("p", tag("strong", score))]
    if result.problems:
        notes = [tag("li", plain_text(said, 500)) for said in result.problems]
        body += [tag("h2", "About the files"), tag("ul", *notes)]
    body += [_card(one, exercises) for one in result.graded]
    digest = f"Result {result.digest}. The tests' inputs are drawn anew, so they aren't shown."
    return page(f"Feedback for {who}", *body, tag("p", digest, class_="soft"))


def _card(one: Graded, exercises: Mapping[str, Exercise]) -> Safe:
    exercise = exercises.get(one.exercise)
    title = exercise.title if exercise else one.exercise
    good, tried = one.status == "passed", one.status != "not attempted"
    head = f"{number(one.points)} of {one.out_of} points · {one.status}"
    parts = [
        tag("h2", title, " ", tag("span", one.exercise, class_="soft")),
        tag("p", head, class_="good" if good else "bad" if tried else "soft"),
    ]
    if why := explained(one.status):
        parts.append(tag("p", why))
    if one.mistake:
        parts.append(tag("p", tag("strong", "This looks familiar. "), one.mistake))
    if one.said:
        parts.append(tag("pre", plain_text(one.said)))
    if one.tests and tried:
        parts.append(tag("ul", *(_test(*each) for each in one.tests), class_="tests"))
    if one.status in ("partly", "wrong"):
        check = f"check.{one.exercise.split('/')[-1]}"
        parts.append(tag("p", f"{check} in the notebook shows a failing input.", class_="soft"))
    return tag("section", *parts, class_="card")


def explained(status: str) -> str:
    """What a status means, where its name doesn't say it."""
    return next((said for start, said in EXPLAINED.items() if status.startswith(start)), "")


def _test(holds: bool, what: str) -> Safe:
    mark = tag("span", "✓ " if holds else "✗ ", class_="good" if holds else "bad")
    return tag("li", mark, plain_text(what, 300))


def _stamp(sandboxed: bool) -> Safe:
    return Safe("") if sandboxed else tag("p", STAMP, class_="stamp")


def summary(
    results: Sequence[Result],
    exercises: Sequence[str],
    sources: Mapping[str, Mapping[str, str]],
    links: Mapping[str, str],
    waiting: Sequence[str] = (),
) -> str:
    """The instructor's page. links: student -> feedback page. waiting: who isn't graded yet."""
    sandboxed = all(result.sandboxed for result in results)
    shares = sorted(tally.share(result) for result in results)
    body = [_stamp(sandboxed), tag("h1", "Grades of a class")]
    if waiting:
        said = f"Interrupted: {len(waiting)} not graded yet. The same command goes on from here."
        body.append(tag("p", said, class_="stamp"))
    if shares:
        middle = (shares[(len(shares) - 1) // 2] + shares[len(shares) // 2]) / 2
        mean = sum(shares) / len(shares)
        body.append(tag("p", f"{len(shares)} graded · mean {mean:.0%} · median {middle:.0%}"))
    body += [tag("h2", "Distribution of scores"), histogram(tally.distribution(results))]
    body += [tag("h2", "Exercises"), *_items(results, exercises)]
    body += [tag("h2", "Commonest misconceptions"), _misconceptions(results)]
    body += [tag("h2", "To look at by hand"), _looks(results, sources, links)]
    body += [tag("h2", "Everyone"), _everyone(results, links)]
    return page("Grades of a class", *body)


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


def _looks(
    results: Sequence[Result], sources: Mapping[str, Mapping[str, str]], links: Mapping[str, str]
) -> Safe:
    looks = tally.to_look_at(results, sources)
    if not looks:
        return tag("p", "Nobody.")
    rows = [[_link(x.student, links), x.exercise, plain_text(x.why, 300)] for x in looks]
    return table(["student", "exercise", "why"], rows)


def _everyone(results: Sequence[Result], links: Mapping[str, str]) -> Safe:
    rows = [
        [
            _link(r.student, links),
            f"{number(r.points)} / {r.out_of}",
            ", ".join(f"{g.exercise.split('/')[-1]}: {g.status}" for g in r.graded),
            f"{r.seconds:.1f}",
        ]
        for r in results
    ]
    return table(["student", "points", "status", "seconds"], rows, numbers=[1, 3])


def _link(student: str, links: Mapping[str, str]) -> Safe:
    shown = plain_text(student, 100)
    return tag("a", shown, href=links[student]) if student in links else joined(shown)
