"""What a report says in words: whose it is, what a status means, why a test that holds counts 0."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from course_lib.grading.intake.notebook import plain_text
from course_lib.grading.outcome import Graded

STAMP = (
    "Graded WITHOUT a sandbox (--unsafe-no-sandbox): the students' code could read and write "
    "everything that the grader could. Don't give marks by this."
)
BY_HAND, OPEN = "marked by hand", "to be marked by hand"  # a question's status
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
    OPEN: "Somebody will read it. Its points aren't in the sum yet.",
    "not grad": "This is the grader's fault, not yours. Somebody will look at it.",
}


@dataclass(frozen=True, kw_only=True)
class About:
    """What a report is about. date: of the grading, as it's shown. names: login -> name.

    titles: of what the catalogue of exercises doesn't hold.
    """

    title: str = "Exercises"
    date: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)

    def who(self, student: str) -> str:
        """The name beside the login: Ann Lee (ann); the login alone where it's all there is."""
        name = self.names.get(student, "")
        shown = plain_text(student, 100)
        return f"{plain_text(name, 100)} ({shown})" if name and name != student else shown

    @property
    def graded(self) -> str:
        """The line under a title."""
        return f"{self.title} · graded {self.date}" if self.date else self.title


def number(value: float) -> str:
    """Points, with the figures that count: 7, 7.5 or 7.25."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def explained(status: str) -> str:
    """What a status means, where its name doesn't say it."""
    return next((said for start, said in EXPLAINED.items() if status.startswith(start)), "")


def counts_nothing(one: Graded) -> str:
    """Why tests that hold count 0; "" where they count.

    An answer whose every ordinary case is wrong is "wrong": what holds of it are edges alone (see
    `Case` of course_lib.checks.exercise).
    """
    held = sum(holds for holds, _ in one.tests)
    if one.status != "wrong" or one.points or not held:
        return ""
    some = "One of these tests holds and counts" if held == 1 else f"{held} tests hold and count"
    return (
        f"{some} 0 so far. What holds are edges (nothing given, everything masked), where zeros or "
        "an untouched input are right by chance. They count once an ordinary test holds."
    )
