"""A hostile answer: its source, what it may come to, and the most it may earn."""

from dataclasses import dataclass

from course_lib.grading.outcome import Graded

CANARY = "the canary sings 4711"  # what no answer may read


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One hostile answer.

    source: ANSWER stands for the function's name, HONEST for a right answer's source, PATH for a
    file that nobody may read, PORT for a listener on this machine. wanted: pieces of the grade's
    status, sentence or review note, one of which names the cause. most: the share that an honest
    answer of the same worth would get. quick: it runs until it is stopped, so give it little time.
    """

    name: str
    theme: str
    source: str
    wanted: tuple[str, ...]
    most: float = 0.0
    quick: bool = False

    def against(self, function: str, honest: str, path: str = "/canary", port: int = 9) -> str:
        """The source of this attack on an exercise whose answer is ``function``."""
        source = self.source.replace("HONEST", honest).replace("ANSWER", function)
        return source.replace("PATH", path).replace("PORT", str(port))

    def held_by(self, graded: Graded) -> bool:
        """Is the grade no higher than the honest one, and the cause named?"""
        said = f"{graded.status}\n{graded.said}\n{graded.review}"
        return (
            graded.points <= self.most * graded.out_of
            and any(cause in said for cause in self.wanted)
            and CANARY not in repr(graded)
        )


def attacks(theme: str, table: dict[str, tuple], **same) -> tuple[Attack, ...]:
    """Attacks from rows: name -> (source, wanted, …)."""
    return tuple(
        Attack(name=name, theme=theme, source=source.strip("\n"), wanted=tuple(wanted), **same)
        for name, (source, *wanted) in table.items()
    )
