"""From a folder or an archive to one Submission a student: found, read and put together, not run.

Of a student's files for one exercise the latest try counts (rope.ipynb, rope-1.ipynb,
rope-2.ipynb), then the last by name; an untouched stub never replaces an answer. What is odd
is said in the submission's problems.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from course_lib.checks.exercise import Exercise
from course_lib.grading.intake.collect import Collected, Found, collect
from course_lib.grading.intake.notebook import Unreadable, cells_of, plain_text
from course_lib.grading.intake.origin import (
    Origin,
    gradescope_people,
    origin,
    platform_of,
    strip_wrapper,
    tell_apart,
)
from course_lib.grading.intake.rebuild import Answer, Parsed, parse, rebuild
from course_lib.grading.intake.roster import Person, Roster
from course_lib.grading.outcome import Submission

MANY = 60  # notebooks of one student; the course has fewer exercises


@dataclass(frozen=True)
class Student:
    """One student's submission, who that is, and where the platform says it comes from."""

    submission: Submission
    person: Person
    origin: Origin | None = None


@dataclass
class _Work:
    """What is being gathered of one student."""

    answers: dict[str, tuple[tuple[int, str], Answer]] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    origin: Origin | None = None
    dealt: set[str] = field(default_factory=set)  # exercises that came with constants of their own
    group: list[tuple[str, ...]] = field(default_factory=list)  # Gradescope's: each one's ids

    def take(self, exercise: str, answer: Answer, rank: tuple[int, str]) -> None:
        """Keep the later of two answers to an exercise."""
        if exercise not in self.answers:
            self.answers[exercise] = (rank, answer)
            return
        before, old = self.answers[exercise]
        if before[0] == rank[0] and not (old.stub or answer.stub) and old.source != answer.source:
            self.problems.append(f"{before[1]} and {rank[1]} both answer {exercise}")
        if (not answer.stub, rank) > (not old.stub, before):
            self.answers[exercise] = (rank, answer)


def read_class(
    submissions: Path,
    exercises: Mapping[str, Exercise],
    roster: Roster,
    wanted: Sequence[str] = (),
    alone: str = "",
) -> tuple[list[Student], tuple[str, ...]]:
    """Everybody's work, and the exercises that are graded.

    wanted: their names; left out, those of the roster's assignment, or else all that anybody
    answered. A student of the roster who handed nothing in has a submission without answers.
    alone: the name of the one student to whom all files belong, whatever they are called.
    """
    collected = collect(submissions)
    wanted = tuple(wanted or roster.exercises)
    if unknown := [name for name in wanted if name not in exercises]:
        raise ValueError(f"no exercise {unknown[0]!r}, there are {', '.join(exercises)}")
    known = {name: exercises[name] for name in wanted} if wanted else exercises
    works = _gather(collected, known, submissions.resolve().name, alone)
    if not wanted:
        answered = {name for work in works.values() for name in work.answers}
        wanted = tuple(name for name in exercises if name in answered)
    people, shared = _people(works, roster)
    merged = _by_person(works, people)
    everyone = {person.student: person for who in people.values() for person in who}
    everyone |= {person.student: person for person in roster.people}
    students = [
        _student(everyone[name], merged.get(name, _Work()), wanted, roster, shared.get(name, name))
        for name in sorted(everyone, key=str.casefold)
    ]
    return students, wanted


def _gather(
    collected: Collected, exercises: Mapping[str, Exercise], whole: str, alone: str
) -> dict[str, _Work]:
    paths = [*(file.path for file in collected.files), *collected.skipped]
    depth = strip_wrapper(set(paths))
    topics = {name.split("/")[1] for name in exercises}
    short = {path: "/".join(path.split("/")[depth:]) for path in paths}
    platform = platform_of(short.values())
    origins = {path: origin(short[path], whole, topics, platform) for path in paths}
    if alone:
        origins = {path: replace(o, student=alone, ids=()) for path, o in origins.items()}
    named = tell_apart(origins.values())
    groups, ignored = _listed(collected.people, paths, depth, platform)
    works: dict[str, _Work] = {}
    for path, found in origins.items():
        student = plain_text(named[found.student, found.ids], 100) or "nameless"
        group = groups.get(found.student, [])
        work = works.setdefault(student, _Work(origin=found, group=group))
        if found.doubt:
            work.problems.append(f"{short[path]}: {found.doubt}")
        if path in collected.skipped:
            work.problems.append(f"{short[path]}: {collected.skipped[path]}")
    for file in collected.files:
        found = origins[file.path]
        student = plain_text(named[found.student, found.ids], 100) or "nameless"
        _read(file, found, works[student], exercises)
    for path in ignored:
        said = f"{path} is not Gradescope's own, and names nobody"
        for work in works.values():
            if work.origin and path.split("/")[depth:-1][:1] == [work.origin.student]:
                work.problems.append(said)
    return works


def _listed(
    people: Mapping[str, str], paths: Sequence[str], depth: int, platform: str
) -> tuple[dict[str, list[tuple[str, ...]]], list[str]]:
    """Gradescope's list of people, and other files of its name: it lies beside the folders."""
    groups: dict[str, list[tuple[str, ...]]] = {}
    ignored = []
    for path, text in people.items():
        before = path.split("/")[:-1]
        at_top = len(before) <= depth and all(p.split("/")[: len(before)] == before for p in paths)
        if at_top and platform == "gradescope":
            groups |= gradescope_people(text)
        else:
            ignored.append(path)
    return groups, ignored


def _read(file: Found, found: Origin, work: _Work, exercises: Mapping[str, Exercise]) -> None:
    """Add what one file answers to its student's work."""
    name = plain_text(file.inside or found.file, 200)
    work.files.append(name)
    if len(work.files) > MANY:
        work.problems.append(f"{name}: file {len(work.files)}, at most {MANY} are read")
        return
    try:
        cells, odd = cells_of(name, file.read())
        parsed = parse(cells)
        claimed, unclear = claims(parsed, name, exercises)
        notes = [*odd, *unclear]
        work.dealt |= {name for name in claimed if _dealt(parsed, name)}
        for exercise in claimed:
            answer = rebuild(parsed, exercise, exercises[exercise].answer)
            work.take(exercise, answer, (found.attempt, name))
            notes += answer.problems
    except (Unreadable, OSError) as error:
        work.problems.append(f"{name}: {plain_text(error, 300)}")
        return
    except Exception as error:  # one student's bytes must not end the run for all
        said = f"it can't be read ({type(error).__name__}: {plain_text(error, 200)})"
        work.problems.append(f"{name}: {said}")
        return
    work.problems += [f"{name}: {note}" for note in dict.fromkeys(notes)]
    if found.late and "handed in late" not in work.problems:
        work.problems.append("handed in late")


def claims(
    parsed: Parsed, file: str, exercises: Mapping[str, Exercise]
) -> tuple[list[str], list[str]]:
    """The exercises that a file answers, and what is unclear about that.

    By the cells' metadata; where it was stripped, by the function's name, and among exercises that
    ask for a function of the same name by the file's name or its check.
    """
    marked = dict.fromkeys(c.exercise for c in parsed.cells if c.exercise in exercises)
    spoken = {exercises[name].answer for name in marked}
    claimed, unclear = list(marked), []
    by_function: dict[str, list[str]] = {}
    for name, exercise in exercises.items():
        if exercise.answer not in spoken and _attempted(parsed, exercise.answer):
            by_function.setdefault(exercise.answer, []).append(name)
    for function, names in by_function.items():
        if len(names) > 1:
            names = _likely(parsed, file, names) or names
        if len(names) == 1:
            claimed += names
        else:
            unclear.append(
                f"{function} could answer {', '.join(names)}: name the file after the exercise"
            )
    return claimed, unclear


def _dealt(parsed: Parsed, name: str) -> bool:
    """Whether the file checks the exercise with constants that `course assign` wrote into it."""
    begins = f".{name.split('/')[1]}.variant("
    return any(begins in cell.source for cell in parsed.cells)


def _attempted(parsed: Parsed, function: str) -> bool:
    if parsed.defines(function):
        return True
    begins = re.compile(rf"^(async )?def {re.escape(function)}\b", re.MULTILINE)
    return any(c.number in parsed.broken and begins.search(c.source) for c in parsed.cells)


def _likely(parsed: Parsed, file: str, names: Iterable[str]) -> list[str]:
    """Those whose topic is in the file's name, or whose check the file calls."""
    topics = {name: name.split("/")[1] for name in names}
    by_file = [name for name, topic in topics.items() if topic in file]
    if by_file:
        longest = max(len(topics[name]) for name in by_file)
        return [name for name in by_file if len(topics[name]) == longest]
    code = "\n".join(cell.source for cell in parsed.cells)
    return [n for n, topic in topics.items() if re.search(rf"\.{topic}(\.variant)?\(", code)]


def _people(
    works: Mapping[str, _Work], roster: Roster
) -> tuple[dict[str, list[Person]], dict[str, str]]:
    """Whose each work is: several people's where a group handed it in.

    Also: student -> who of the group comes first, whose constants all of it were given.
    """
    people: dict[str, list[Person]] = {}
    shared: dict[str, str] = {}
    taken = {person.student for person in roster.people}
    for student, work in works.items():
        found = work.origin
        shown = found is not None and found.platform in ("canvas", "moodle")
        name = found.student if found else student
        keys = work.group or [found.ids if found else ()]
        here = []
        for ids in keys:
            person, unclear = roster.match(ids, ids[-1] if work.group else name, shown)
            if person is None and not work.group and not unclear and student != name:
                person, unclear = roster.match((), student, shown)
            if unclear:
                work.problems.append(unclear)
            if person is None:
                called = ids[0] if work.group and len(keys) > 1 else student
                called = f"{called} (unmatched)" if called in taken else called
                person = Person(student=called)
            here.append(person)
            shared[person.student] = here[0].student
        people[student] = here
    return people, shared


def _by_person(works: Mapping[str, _Work], people: Mapping[str, list[Person]]) -> dict[str, _Work]:
    """One student's work may lie under two names (a login and a number): that is said."""
    merged: dict[str, _Work] = {}
    under: dict[str, str] = {}
    for student, work in works.items():
        for person in people[student]:
            whole = merged.setdefault(person.student, _Work(origin=work.origin))
            if before := under.get(person.student):
                whole.problems.append(f"handed in as {before!r} and as {student!r}: one of them?")
            under.setdefault(person.student, student)
            whole.files += work.files
            whole.dealt |= work.dealt
            whole.problems += work.problems
            for exercise, (rank, answer) in work.answers.items():
                whole.take(exercise, answer, rank)
    return merged


def _student(
    person: Person, work: _Work, wanted: Sequence[str], roster: Roster, first: str
) -> Student:
    """first: who of the group, if it is one, comes first."""
    problems = list(dict.fromkeys(work.problems))
    given = roster.constants.get(first, {})
    if not work.files and not problems:
        problems.append("nothing was handed in")
    elif roster.constants and first not in roster.constants:
        problems.append("not on the roster: graded with the constants that everyone has")
    if unsaid := sorted(work.dealt - set(given)):
        problems.insert(
            0,
            f"{', '.join(unsaid)}: handed out with constants of its own, graded with everyone's: "
            "give --roster the assignment.json of course assign",
        )
    submission = Submission(
        student=person.student,
        files=tuple(work.files),
        answers={n: work.answers[n][1].source if n in work.answers else "" for n in wanted},
        constants={name: given[name] for name in wanted if given.get(name)},
        problems=tuple(problems[:30]),
    )
    return Student(submission, person, work.origin)
