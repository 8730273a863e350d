"""Who is in the class, and which variant each student was given.

A roster is a CSV file: one of your own (student, name, email, …), or the gradebook that Canvas or
Moodle exports, whose columns are kept, so that the grades can be handed back in the same form.
`course assign` turns it into assignment.json, which names everyone's constants as well.
"""

import csv
import io
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from course_lib.grading.intake.notebook import decoded

# The first of these that a roster has is what its students are called by.
KEYS = (
    "student id",
    "username",
    "login",
    "sis login id",
    "email",
    "email address",
    "id",
    "identifier",
    "student",
    "name",
    "full name",
)
NAMES = ("student", "name", "full name")
VERSION = 1


class BadRoster(ValueError):
    """A roster that can't be used. The message says what is missing."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """One student: what reports call them, and their row of the roster."""

    student: str
    row: Mapping[str, str] = field(default_factory=dict)

    def get(self, *columns: str) -> str:
        """The first of those columns that the row fills; "" where none does."""
        lower = {name.strip().casefold(): value for name, value in self.row.items()}
        return next((lower[c.casefold()] for c in columns if lower.get(c.casefold())), "")

    @property
    def names(self) -> set[str]:
        """The names that people are shown, in the form in which names are compared."""
        found = set()
        for column in NAMES:
            name = self.get(column)
            first, comma, second = name.partition(",")
            words = [second, first] if comma else name.rsplit(" ", 1)
            found |= {plain(name), plain("".join(words)), plain("".join(reversed(words)))}
        return found - {""}

    @property
    def ids(self) -> set[str]:
        """Logins, numbers and addresses: whatever is no name."""
        lower = {name.strip().casefold(): value for name, value in self.row.items()}
        found = {plain(value) for name, value in lower.items() if name not in NAMES}
        return (found or {plain(self.student)}) - {""}

    @property
    def aliases(self) -> set[str]:
        """What platforms may call the student."""
        known = {plain(self.student)} | self.names | self.ids
        if address := self.get("email", "email address"):
            known.add(plain(address.split("@")[0]))
        return known - {""}


@dataclass(frozen=True, kw_only=True)
class Roster:
    """The class. exercises: those of the assignment; constants: student -> exercise -> variant."""

    people: tuple[Person, ...] = ()
    exercises: tuple[str, ...] = ()
    constants: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)

    def find(self, *names: str) -> Person | None:
        """Who is known by one of those names; None where nobody is, or more than one."""
        for name in names:
            found = self._by_alias.get(plain(name), [])
            if len(found) == 1:
                return found[0]
        return None

    def match(self, ids: Sequence[str], name: str, shown: bool) -> tuple[Person | None, str]:
        """Who it is, and what is unclear about that: ids beat names, and nothing is guessed.

        shown: the name is one that people are shown (Canvas's and Moodle's), so it is nobody's
        login, though it may read like one.
        """
        for one in ids:
            found = self._by_id.get(plain(one), [])
            if len(found) == 1:
                return found[0], ""
            if found:
                return None, _unclear(one, found)
        own = self._by_name if shown and self._by_name else {}
        candidates = own.get(plain(name), []) if own else self._by_alias.get(plain(name), [])
        if len(candidates) > 1:
            return None, _unclear(name, candidates)
        return (candidates[0] if candidates else None), ""

    @cached_property
    def _by_alias(self) -> dict[str, list[Person]]:
        return _index(self.people, lambda person: person.aliases)

    @cached_property
    def _by_name(self) -> dict[str, list[Person]]:
        return _index(self.people, lambda person: person.names)

    @cached_property
    def _by_id(self) -> dict[str, list[Person]]:
        return _index(self.people, lambda person: person.ids)


def _index(people: Iterable[Person], keys: Callable[[Person], set[str]]) -> dict[str, list[Person]]:
    found: dict[str, list[Person]] = {}
    for person in people:
        for key in keys(person):
            found.setdefault(key, []).append(person)
    return found


def _unclear(name: str, people: Sequence[Person]) -> str:
    who = " or ".join(person.student for person in people[:4])
    return f"{name!r} could be {who}: say whose it is"


def plain(name: str) -> str:
    """A name as Canvas mangles it: letters without accents and figures, in lower case."""
    letters = unicodedata.normalize("NFKD", name.replace("ß", "ss")).casefold()
    return "".join(c for c in letters if c.isalnum())


def read_roster(path: Path) -> Roster:
    """A CSV file, or the assignment.json of `course assign`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadRoster(f"{path}: {error.strerror or error}") from error
    text, _ = decoded(data)
    return _from_json(path, text) if path.suffix == ".json" else _from_csv(path, text)


def _from_csv(path: Path, text: str) -> Roster:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\n ").split("\n")
    said = re.match(r"^\"?sep=(.)\"?$", lines[0].strip(" ")) if lines[0] else None
    if said:  # how Excel is told
        lines = lines[1:]
    while lines and not lines[0].strip(" ,;\t"):
        lines = lines[1:]
    mark = said[1] if said else max(",;\t", key=(lines or [""])[0].count)
    text = "\n".join(lines)
    rows = [
        {k.strip(): (v or "").strip() for k, v in row.items() if isinstance(k, str)}
        for row in csv.DictReader(io.StringIO(text), delimiter=mark)
    ]
    rows = [r for r in rows if any(r.values()) and not _is_canvas_note(r)]
    if not rows:
        raise BadRoster(f"{path}: no student in it")
    columns = {c.casefold(): c for c in rows[0]}
    here = [columns[k] for k in KEYS if k in columns]
    if not here:
        raise BadRoster(f"{path}: no column names the students, expected one of {', '.join(KEYS)}")
    key = next((k for k in here if all(r[k] for r in rows)), here[0])
    return Roster(people=_once(path, [Person(student=r[key], row=r) for r in rows]))


def _is_canvas_note(row: Mapping[str, str]) -> bool:
    """Below its header, Canvas has rows of maxima and of how grades are posted: no student's."""
    if "Student" not in row or row.get("ID"):
        return False
    return row["Student"].startswith("Points Possible") or not row["Student"]


def _once(path: Path, people: Sequence[Person]) -> tuple[Person, ...]:
    """Raises BadRoster where a student has no name, or two have the same."""
    seen: set[str] = set()
    for person in people:
        if not person.student or person.student in seen:
            raise BadRoster(f"{path}: the student {person.student!r} is nameless or there twice")
        seen.add(person.student)
    return tuple(people)


def _from_json(path: Path, text: str) -> Roster:
    try:
        data = json.loads(text)
        people = [Person(student=s, row=d.get("row", {})) for s, d in data["students"].items()]
        constants = {s: d.get("constants", {}) for s, d in data["students"].items()}
        exercises = tuple(data["exercises"])
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise BadRoster(f"{path}: not an assignment.json that course assign wrote") from error
    return Roster(people=_once(path, people), exercises=exercises, constants=constants)


def to_json(roster: Roster, seed: int) -> str:
    """assignment.json: the class, its exercises and who was given which constants."""
    students = {
        p.student: {"row": dict(p.row), "constants": roster.constants.get(p.student, {})}
        for p in roster.people
    }
    data = {"version": VERSION, "seed": seed, "exercises": list(roster.exercises)}
    return json.dumps({**data, "students": students}, indent=1, ensure_ascii=False) + "\n"


def missing(roster: Roster, handed_in: Iterable[str]) -> list[Person]:
    """Who is on the roster and handed nothing in."""
    there = set(handed_in)
    return [person for person in roster.people if person.student not in there]
