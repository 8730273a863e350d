"""Whose file is it? What learning platforms write into the names of files and folders.

Canvas      surnamefirst_LATE_12345_67890_rope-1.ipynb        one flat folder
Moodle      First Surname_12345_assignsubmission_file_/rope.ipynb   (or _file_rope.ipynb)
Gradescope  submission_12345/rope.ipynb, names in submission_metadata.yml
nbgrader    submitted/student/assignment/rope.ipynb
by hand     student/rope.ipynb, or student.ipynb
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import yaml

CANVAS = re.compile(r"^(?P<name>[^_/]+)_(?P<late>LATE_)?(?P<id>\d+)_(?P<part>\d+)_(?P<file>.+)$")
MOODLE = re.compile(r"^(?P<name>.+?)_(?P<id>\d+)_assignsubmission_[a-z]+_?(?P<file>.*)$")
GRADESCOPE = re.compile(r"^submission_(?P<id>\d+)$")
AGAIN = re.compile(r"^(?P<stem>.+?)-(?P<attempt>\d{1,3})$")  # Canvas counts resubmissions
COPY = re.compile(r"^(?P<stem>.+?) ?\((?P<attempt>\d{1,3})\)$")  # browsers count downloads
JUNK = ("__MACOSX", ".ipynb_checkpoints", "__pycache__", "node_modules")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Whose file it is, and which try. ids: what a roster may know the student by."""

    student: str
    file: str
    ids: tuple[str, ...] = ()
    attempt: int = 0
    late: bool = False
    platform: str = ""


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
        if len({parts[count + 1] for parts in split}) < 2 and not known(split[0][count + 1]):
            break
        count += 1
    flat = [parts for parts in split if len(parts) == count + 2]
    one = len({parts[count] for parts in flat}) == 1  # several folders are several students
    if one and len(flat) == len(split) and all(known(parts[-1]) for parts in flat):
        count += 1  # one folder of a platform's flat files
    return count


def known(part: str) -> bool:
    """Whether a platform writes names like this one."""
    return any(pattern.match(part) for pattern in (CANVAS, MOODLE, GRADESCOPE))


def platform_of(paths: Collection[str]) -> str:
    """Which platform wrote these paths (below the submissions' folder): decided once, for all.

    By the part that names the student, the first one: where most paths have it in one platform's
    form, that platform made the hand-in. So no student's own file name can claim another's work:
    among folders by hand `ann/lab_01_02_rope.ipynb` is Ann's, whatever Canvas would say of it.
    """
    heads = [path.split("/")[0] for path in paths]
    if heads and all("submitted" in path.split("/")[:-2] for path in paths):
        return "nbgrader"
    for name, pattern in (("moodle", MOODLE), ("gradescope", GRADESCOPE), ("canvas", CANVAS)):
        if heads and 2 * sum(bool(pattern.match(head)) for head in heads) > len(heads):
            return name
    return ""


def origin(
    path: str, whole: str, topics: Collection[str] = (), platform: str | None = None
) -> Origin:
    """Whose file this is, by its path below the submissions' folder.

    whole: the student where the path names none, as when a learner's own folder of exercises
    (files called as topics are) is graded. platform: that of the whole hand-in; this path's own
    where it isn't given.
    """
    parts = path.split("/")
    name, last = parts[0], PurePosixPath(parts[-1])
    platform = platform_of([path]) if platform is None else platform
    if platform == "moodle" and (found := MOODLE.match(name)):
        file, who = found["file"] or parts[-1], found["name"]
        return _with_attempt(who, file, (found["id"], f"Participant {found['id']}"), "moodle")
    if platform == "gradescope" and (found := GRADESCOPE.match(name)):
        return _with_attempt(name, parts[-1], (found["id"],), "gradescope")
    if platform == "canvas" and (found := CANVAS.match(name)):
        file = found["file"] if len(parts) == 1 else parts[-1]
        made = _with_attempt(found["name"], found["file"], (found["id"],), "canvas")
        return replace(made, file=file, late=bool(found["late"]))
    if platform == "nbgrader" and "submitted" in parts[:-2]:
        student = parts[parts.index("submitted") + 1]
        return _with_attempt(student, parts[-1], (), "nbgrader")
    if len(parts) > 1:
        return _with_attempt(name, parts[-1], (), "")
    made = _with_attempt("", last.name, (), "")
    stem = PurePosixPath(made.file).stem
    return replace(made, student=whole if stem.split(".")[0] in topics else stem)


def _with_attempt(student: str, file: str, ids: tuple[str, ...], platform: str) -> Origin:
    stem, dot, suffix = file.partition(".")
    found = COPY.match(stem) or (AGAIN.match(stem) if platform == "canvas" else None)
    attempt = int(found["attempt"]) if found else 0
    file = f"{found['stem']}{dot}{suffix}" if found else file
    made = {"student": student.strip(), "file": file, "attempt": attempt}
    return Origin(**made, ids=ids, platform=platform)


def gradescope_people(text: str) -> dict[str, tuple[str, ...]]:
    """submission_12345 -> names, addresses and numbers of who handed it in.

    A file that says something else names nobody.
    """
    try:
        data = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}
    found = {}
    for key, entry in data.items() if isinstance(data, Mapping) else ():
        people = entry.get(":submitters", []) if isinstance(entry, Mapping) else []
        people = [p for p in people if isinstance(p, Mapping)] if isinstance(people, list) else []
        ids = [str(p[k]) for p in people for k in (":email", ":sid", ":name") if p.get(k)]
        if ids:
            found[str(key)] = tuple(ids)
    return found


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
