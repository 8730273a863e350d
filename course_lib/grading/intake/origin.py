"""Whose file is it? What learning platforms write into the names of files and folders.

Canvas      surnamefirst_LATE_12345_67890_rope-1.ipynb        one flat folder
Moodle      First Surname_12345_assignsubmission_file_/rope.ipynb   (or _file_rope.ipynb)
Gradescope  submission_12345/rope.ipynb, names in submission_metadata.yml
nbgrader    submitted/student/assignment/rope.ipynb
by hand     student/rope.ipynb, or student.ipynb

Which of them it is, is decided once, for the whole hand-in, by the names at its top. Below, the
names are the students' own, and say nothing.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import yaml

CANVAS = re.compile(
    r"^(?P<name>[^_/]+)_(?P<late>LATE_)?(?P<id>[1-9]\d*)_(?P<part>[1-9]\d*)_(?P<file>.+)$"
)
MOODLE = re.compile(r"^(?P<name>.+?)_(?P<id>\d+)_assignsubmission_[a-z]+_?(?P<file>.*)$")
GRADESCOPE = re.compile(r"^submission_(?P<id>\d+)$")
AGAIN = re.compile(r"^(?P<stem>.+?)-(?P<attempt>\d{1,3})$")  # Canvas counts resubmissions
COPY = re.compile(r"^(?P<stem>.+?) ?\((?P<attempt>\d{1,3})\)$")  # browsers count downloads
PLATFORMS = {"canvas": CANVAS, "moodle": MOODLE, "gradescope": GRADESCOPE}
KEYS = (":email", ":sid", ":name")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C: a class's list is long
JUNK = ("__MACOSX", ".ipynb_checkpoints", "__pycache__", "node_modules")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Whose file it is, and which try. ids: what a roster may know the student by.

    doubt: why somebody has to say whose it is; "" where the platform does.
    """

    student: str
    file: str
    ids: tuple[str, ...] = ()
    attempt: int = 0
    late: bool = False
    platform: str = ""
    doubt: str = ""


def is_junk(path: str) -> bool:
    """What operating systems and editors leave behind."""
    return any(part in JUNK or part.startswith(".") for part in path.split("/"))


def strip_wrapper(paths: Collection[str]) -> int:
    """How many leading folders all paths share that can't be a student's.

    hw1/ann/rope.ipynb and hw1/bob/rope.ipynb: one. ann/rope.ipynb alone: none, that is Ann.
    """
    split = [path.split("/") for path in paths]
    count = 0
    while split and all(len(parts) > count + 2 for parts in split):
        if len({parts[count] for parts in split}) > 1 or split[0][count] == "submitted":
            break
        if len({parts[count + 1] for parts in split}) < 2 and not _known(split[0][count + 1]):
            break
        count += 1
    flat = [parts for parts in split if len(parts) == count + 2]
    one = len({tuple(parts[: count + 1]) for parts in flat}) == 1
    if one and len(flat) == len(split) and all(_known(parts[-1]) for parts in flat):
        count += 1  # one folder of a platform's flat files
    return count


def _known(part: str) -> bool:
    return any(pattern.match(part) for pattern in PLATFORMS.values())


def platform_of(paths: Iterable[str]) -> str:
    """The platform that the whole hand-in comes from: more than half of the names at its top."""
    split = [path.split("/") for path in paths]
    if split and all("submitted" in parts[:1] for parts in split):
        return "nbgrader"
    tops = {parts[0] for parts in split}
    counts = {name: sum(bool(p.match(top)) for top in tops) for name, p in PLATFORMS.items()}
    best = max(counts, key=lambda name: counts[name])
    return best if 2 * counts[best] > len(tops) else ""


def origin(path: str, whole: str, topics: Collection[str] = (), platform: str = "") -> Origin:
    """Whose file this is, by its path below the submissions' folder.

    whole: the student where the path names none, as when a learner's own folder of exercises
    (files called as topics are) is graded. platform: of the whole hand-in, see `platform_of`.
    """
    parts = path.split("/")
    top, last = parts[0], parts[-1]
    if platform == "nbgrader" and len(parts) > 2:
        return _with_attempt(parts[1], last, (), platform)
    if platform in PLATFORMS:
        found = PLATFORMS[platform].match(top)
        if found is None:
            doubt = f"its name is none of {platform}'s: say whose it is"
            made = _by_hand(parts, whole, topics)
            return replace(made, student=f"{made.student} (unmatched)", doubt=doubt)
        if platform == "gradescope":
            return _with_attempt(top, last, (found["id"],), platform)
        file = found["file"] or last if len(parts) == 1 or platform == "moodle" else last
        if platform == "moodle":
            ids = (found["id"], f"Participant {found['id']}")
            return _with_attempt(found["name"], file, ids, platform)
        made = _with_attempt(found["name"], found["file"], (found["id"],), platform)
        late = bool(found["late"])
        return replace(made, file=made.file if len(parts) == 1 else last, late=late)
    return _by_hand(parts, whole, topics)


def _by_hand(parts: Sequence[str], whole: str, topics: Collection[str]) -> Origin:
    if len(parts) > 1:
        return _with_attempt(parts[0], parts[-1], (), "")
    made = _with_attempt("", parts[0], (), "")
    stem = PurePosixPath(made.file).stem
    return replace(made, student=whole if stem.split(".")[0] in topics else stem)


def _with_attempt(student: str, file: str, ids: tuple[str, ...], platform: str) -> Origin:
    stem, dot, suffix = file.partition(".")
    found = COPY.match(stem) or (AGAIN.match(stem) if platform == "canvas" else None)
    attempt = int(found["attempt"]) if found else 0
    file = f"{found['stem']}{dot}{suffix}" if found else file
    made = {"student": student.strip(), "file": file, "attempt": attempt}
    return Origin(**made, ids=ids, platform=platform)


def gradescope_people(text: str) -> dict[str, list[tuple[str, ...]]]:
    """submission_12345 -> of each who handed it in: address, number and name.

    A file that says something else names nobody.
    """
    try:
        data = yaml.load(text, LOADER)
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}
    found = {}
    for key, entry in data.items() if isinstance(data, Mapping) else ():
        people = entry.get(":submitters", []) if isinstance(entry, Mapping) else []
        people = [p for p in people if isinstance(p, Mapping)] if isinstance(people, list) else []
        ids = [tuple(_plain(p, k) for k in KEYS if _plain(p, k)) for p in people]
        if any(ids):
            found[str(key)] = [one for one in ids if one]
    return found


def _plain(person: Mapping, key: str) -> str:
    """A name or number; "" for lists in lists, whose text could be longer than any memory."""
    value = person.get(key)
    return str(value) if isinstance(value, str | int) and len(str(value)) <= 400 else ""


def tell_apart(origins: Iterable[Origin]) -> dict[tuple[str, tuple[str, ...]], str]:
    """(student, ids) -> a unique name: where two have the same, their number is added to it."""
    keys = dict.fromkeys((o.student, o.ids) for o in origins)
    names: dict[str, int] = {}
    for student, _ in keys:
        names[student] = names.get(student, 0) + 1
    return {
        (student, ids): student if names[student] == 1 or not ids else f"{student}-{ids[0]}"
        for student, ids in keys
    }
