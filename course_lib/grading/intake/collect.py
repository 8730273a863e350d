"""The files of a class, from a folder or an archive: found, not run, links not followed."""

import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from course_lib.grading.intake import archive
from course_lib.grading.intake.notebook import plain_text
from course_lib.grading.intake.origin import is_junk

SOURCES = (".ipynb", ".py")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
MAX_PEOPLE = 4 << 20
PEOPLE = "submission_metadata.yml"  # Gradescope's list of who handed in what


class NoSubmissions(ValueError):
    """Nothing to grade. The message says what was looked for."""


@dataclass(frozen=True)
class Found:
    """One file: its path below the submissions' folder, and its bytes or where they are.

    inside: the path within a student's own archive; path is then the archive's.
    """

    path: str
    source: bytes | Path
    inside: str = ""

    @property
    def name(self) -> str:
        """Its path in words."""
        return f"{self.path}/{self.inside}" if self.inside else self.path

    def read(self) -> bytes:
        """Its bytes. Raises OSError where they can't be read."""
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()


@dataclass
class Collected:
    """The files to read, and those that are skipped: path -> why, in words for the student."""

    files: list[Found] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)  # path of a list of people -> its text

    def skip(self, path: str, why: str) -> None:
        """Note one more reason for what is left out of a file."""
        self.skipped[path] = f"{self.skipped[path]}; {why}" if path in self.skipped else why


def collect(submissions: Path) -> Collected:
    """Everything that could be an answer, in order of the paths.

    Raises NoSubmissions where there is nothing, and BadArchive where the archive of the whole
    class is refused; a student's own bad archive is skipped.
    """
    found = Collected()
    if submissions.is_dir():
        for path, file in _walk(submissions, found):
            _take(path, file, found)
    elif submissions.is_file() and submissions.name.lower().endswith(ARCHIVES):
        left_out: dict[str, str] = {}
        wanted = (*SOURCES, *ARCHIVES, PEOPLE)
        inside = archive.read_archive(submissions.read_bytes(), skipped=left_out, ends=wanted)
        for path, why in left_out.items():
            if not is_junk(path):
                found.skip(plain_text(path, 400), plain_text(why, 300))
        for path, data in sorted(inside.items()):
            if not is_junk(path):
                _take(plain_text(path, 400), data, found)
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


def _take(path: str, source: bytes | Path, found: Collected) -> None:
    name = PurePosixPath(path).name
    if name == PEOPLE:
        try:
            data = Found(path, source).read()
        except OSError as error:
            found.skip(path, f"it can't be read: {error.strerror or error}")
        else:
            found.people[path] = data[:MAX_PEOPLE].decode("utf-8", "replace")
    elif name.lower().endswith(SOURCES):
        found.files.append(Found(path, source))
    elif name.lower().endswith(ARCHIVES):
        _unpack(Found(path, source), found)


def _unpack(outer: Found, found: Collected) -> None:
    """A student's own archive. One inside another is left alone, and said by name."""
    try:
        inner = archive.read_archive(outer.read())
    except (archive.BadArchive, OSError) as error:
        found.skip(outer.path, f"it was not unpacked: {plain_text(error, 300)}")
        return
    before = len(found.files)
    for path, data in sorted(inner.items()):
        name = plain_text(path, 400)
        if is_junk(path):
            continue
        if path.lower().endswith(SOURCES):
            found.files.append(Found(outer.path, data, name))
        elif path.lower().endswith(ARCHIVES):
            found.skip(outer.path, f"{name} in it is an archive again: hand in what it holds")
    if len(found.files) == before and outer.path not in found.skipped:
        found.skip(outer.path, f"it holds no file that ends in {' or '.join(SOURCES)}")
