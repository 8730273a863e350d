"""The files of a class, from a folder or an archive: found by name, links not followed.

Nothing is opened here: `reading.py`, in a process apart, unpacks a class's archive into a folder
and reads what lies there.
"""

import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from course_lib.grading.intake.archive import BadArchive
from course_lib.grading.intake.notebook import plain_text
from course_lib.grading.intake.origin import is_junk
from course_lib.grading.intake.reader import Reader
from course_lib.grading.intake.reading import ARCHIVES, SOURCES

PEOPLE = "submission_metadata.yml"  # Gradescope's list of who handed in what


class NoSubmissions(ValueError):
    """Nothing to grade. The message says what was looked for."""


@dataclass(frozen=True)
class Found:
    """One file: its path below the submissions' folder, and where it lies. It may be an archive."""

    path: str
    file: Path


@dataclass
class Collected:
    """The files to read, and those that are skipped: path -> why, in words for the student."""

    files: list[Found] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    people: dict[str, Path] = field(default_factory=dict)  # lists of people: path -> where it lies

    def skip(self, path: str, why: str) -> None:
        """Note one more reason for what is left out of a file."""
        self.skipped[path] = f"{self.skipped[path]}; {why}" if path in self.skipped else why


def collect(submissions: Path, reader: Reader, scratch: Path) -> Collected:
    """Everything that could be an answer, in order of the paths. scratch: an empty folder.

    Raises NoSubmissions where there is nothing, and BadArchive where the archive of the whole
    class is refused.
    """
    found = Collected()
    if submissions.is_dir():
        for path, file in _walk(submissions, found):
            _take(path, file, found)
    elif submissions.is_file() and submissions.name.lower().endswith(ARCHIVES):
        inside = reader.unpack(submissions, scratch, (*SOURCES, *ARCHIVES, PEOPLE))
        if "refused" in inside:
            raise BadArchive(inside["refused"])
        for path, why in inside["skipped"].items():
            found.skip(path, why)
        for path, number in sorted(inside["files"].items()):
            _take(path, scratch / str(int(number)), found)
    elif submissions.is_file() and submissions.name.lower().endswith(SOURCES):
        _take(submissions.name, submissions, found)
    else:
        kinds = ", ".join((*SOURCES, *ARCHIVES))
        raise NoSubmissions(f"{submissions}: expected a folder, or a file that ends in {kinds}")
    if not found.files and not found.skipped:
        raise NoSubmissions(f"{submissions}: no notebook (.ipynb), .py file or archive in it")
    return found


def _walk(root: Path, found: Collected) -> Iterator[tuple[str, Path]]:
    for file in sorted(root.rglob("*")):
        path = plain_text(file.relative_to(root).as_posix(), 400)
        if is_junk(path):
            continue
        mode = file.lstat().st_mode
        if stat.S_ISLNK(mode) or any(p.is_symlink() for p in file.parents if root in p.parents):
            found.skip(path, "it is a link, which is not followed")
        elif stat.S_ISREG(mode):
            yield path, file
        elif not stat.S_ISDIR(mode):
            found.skip(path, "it is a device or a pipe, which is not opened")


def _take(path: str, file: Path, found: Collected) -> None:
    name = PurePosixPath(path).name
    if name == PEOPLE:
        found.people[path] = file
    elif name.lower().endswith((*SOURCES, *ARCHIVES)):
        found.files.append(Found(path, file))
