"""From a folder or an archive to one Submission a student: found, read and put together, not run.

Of a student's files for one exercise the latest try counts (rope.ipynb, rope-1.ipynb,
rope-2.ipynb), then the last by name; an untouched stub never replaces an answer. What is odd
is said in the submission's problems.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from course_lib.checks.exercise import Exercise
from course_lib.grading.intake.collect import Collected, Found, collect
from course_lib.grading.intake.notebook import plain_text
from course_lib.grading.intake.origin import (
    Origin,
    origin,
    platform_of,
    strip_wrapper,
    tell_apart,
)
from course_lib.grading.intake.reader import Reader
from course_lib.grading.intake.reading import ARCHIVES
from course_lib.grading.intake.rebuild import Answer
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
    wanted = tuple(wanted or roster.exercises)
    if unknown := [name for name in wanted if name not in exercises]:
        raise ValueError(f"no exercise {unknown[0]!r}, there are {', '.join(exercises)}")
    known = {name: exercises[name] for name in wanted} if wanted else exercises
    reader = Reader({name: exercise.answer for name, exercise in known.items()})
    with tempfile.TemporaryDirectory(prefix="course-grading-class-") as scratch:
        collected = collect(submissions, reader, Path(scratch))
        works = _gather(collected, reader, exercises, submissions.resolve().name, alone)
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
    collected: Collected,
    reader: Reader,
    exercises: Mapping[str, Exercise],
    whole: str,
    alone: str,
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
    groups, ignored = _listed(collected.people, reader, paths, depth, platform)
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
        _read(file, found, student, works[student], reader)
    for path, why in ignored.items():
        for work in works.values():
            at_top = path.split("/")[depth:-1] == []
            if at_top or work.origin and path.split("/")[depth] == work.origin.student:
                work.problems.append(f"{path} {why}")
    return works


def _listed(
    people: Mapping[str, Path],
    reader: Reader,
    paths: Sequence[str],
    depth: int,
    platform: str,
) -> tuple[dict[str, list[tuple[str, ...]]], dict[str, str]]:
    """Gradescope's list of people (it lies beside the folders), and why others aren't it."""
    groups: dict[str, list[tuple[str, ...]]] = {}
    ignored = {}
    for path, file in people.items():
        before = path.split("/")[:-1]
        at_top = len(before) <= depth and all(p.split("/")[: len(before)] == before for p in paths)
        if at_top and platform == "gradescope":
            found, why = reader.people(file)
            groups |= found
            if why:
                ignored[path] = f"names nobody: {plain_text(why, 200)}"
        elif not at_top:
            ignored[path] = "is not Gradescope's own, and names nobody"
    return groups, ignored


def _read(file: Found, found: Origin, student: str, work: _Work, reader: Reader) -> None:
    """Add what one file answers, or each in an archive, to its student's work."""
    if found.late and "handed in late" not in work.problems:
        work.problems.append("handed in late")
    for name, line in _lines(file, found, student, work, reader):
        work.problems += [f"{name}: {note}" for note in line.get("notes", ())]
        if "problem" in line:
            work.problems.append(f"{name}: {plain_text(line['problem'], 300)}")
        for exercise, made in line.get("answers", {}).items():
            answer = Answer(made["source"], stub=made["stub"])
            work.take(exercise, answer, (found.attempt, name))
        work.dealt |= set(line.get("dealt", ()))


def _lines(
    file: Found, found: Origin, student: str, work: _Work, reader: Reader
) -> Iterator[tuple[str, dict]]:
    """Each file that is read, by name, and what was found in it."""
    name = plain_text(found.file, 200)
    if len(work.files) >= MANY:
        yield name, {"problem": f"one file more than the {MANY} that are read"}
    elif not file.path.lower().endswith(ARCHIVES):
        work.files.append(name)
        yield name, reader.file(student, file.file, name)
    else:
        for line in reader.archive(student, file.file, MANY - len(work.files)):
            if "name" in line:
                work.files.append(line["name"])
                yield line["name"], line
            for said in line.get("done", ()):
                yield file.path, {"problem": said}


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
