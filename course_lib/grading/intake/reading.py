"""In a process apart: read what one student wrote, and find the answers in it.

    {"file": path, "name": …}                a notebook or .py: a line of what was found in it
    {"archive": path, "name": …, "most": n}  a student's own archive: a line a file, then the rest
    {"class": path, "into": folder, …}       the archive of a whole class: unpacked into the folder
    {"people": path}                         Gradescope's list of who handed in what

Nothing in any of it is run. `reader.py` asks; its limits are those of `apart.py`.
"""

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from course_lib.grading import apart
from course_lib.grading.intake import archive
from course_lib.grading.intake.notebook import MAX_BYTES, Unreadable, cells_of, plain_text
from course_lib.grading.intake.origin import gradescope_people, is_junk
from course_lib.grading.intake.rebuild import Parsed, parse, rebuild

SOURCES = (".ipynb", ".py")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
MAX_ARCHIVE = 256 << 20
MAX_PEOPLE = 16 << 20
MAX_SOURCE = 200_000  # characters of one answer
MAX_NOTES = 60  # of one file
MEMORY = 3 << 30  # of this process: address space


def answer(request: dict) -> Iterator[dict]:
    """The lines of reply to one request. Raises what the grader is told as an error of its own."""
    functions = request.get("functions", {})
    if not request:
        yield {"ready": True}
    elif "file" in request:
        try:
            data = _bytes(Path(request["file"]), MAX_BYTES)
        except OSError as error:
            yield {"problem": error.strerror or str(error)}
            return
        yield _found(request["name"], data, functions)
    elif "archive" in request:
        yield from _inside(Path(request["archive"]), functions, request["most"])
    elif "class" in request:
        yield _unpacked(Path(request["class"]), Path(request["into"]), tuple(request["ends"]))
    else:
        text = _bytes(Path(request["people"]), MAX_PEOPLE).decode("utf-8", "replace")
        yield {"people": gradescope_people(text)}


def _bytes(path: Path, most: int) -> bytes:
    """The file's bytes, one more than `most` at most: who reads them says that it's too long."""
    with path.open("rb") as file:
        return file.read(most + 1)


def _found(name: str, data: bytes, functions: Mapping[str, str]) -> dict:
    """What one file answers: exercise -> its source, or why the file can't be read."""
    try:
        cells, odd = cells_of(name, data)
        parsed = parse(cells)
        claimed, unclear = claims(parsed, name, functions)
        notes, answers = [*odd, *unclear], {}
        for exercise in claimed:
            made = rebuild(parsed, exercise, functions[exercise])
            notes += made.problems
            if len(made.source) > MAX_SOURCE:
                notes.append(f"the answer to {exercise} has {len(made.source):,} characters")
            source = made.source[: MAX_SOURCE + 1]  # so long that the judge refuses it
            answers[exercise] = {"source": source, "stub": made.stub}
        dealt = [exercise for exercise in claimed if _dealt(parsed, exercise)]
    except Unreadable as error:
        return {"problem": plain_text(error, 300)}
    except Exception as error:
        said = f"{type(error).__name__}: {plain_text(error, 200)}"
        return {"problem": f"it can't be read ({said})"}
    notes = [plain_text(note, 500) for note in dict.fromkeys(notes)]
    return {"answers": answers, "notes": notes[:MAX_NOTES], "dealt": dealt}


def _inside(path: Path, functions: Mapping[str, str], most: int) -> Iterator[dict]:
    """Each file of a student's archive, then what is said of the whole of it.

    An archive inside the archive is left alone, and said by name.
    """
    try:
        data = _bytes(path, MAX_ARCHIVE)
        if len(data) > MAX_ARCHIVE:
            raise archive.BadArchive(f"it has more than {MAX_ARCHIVE:,} bytes")
        inside = archive.read_archive(data)
    except (archive.BadArchive, OSError) as error:
        yield {"done": [f"it was not unpacked: {plain_text(error, 300)}"]}
        return
    said, count = [], 0
    for entry, content in sorted(inside.items()):
        name = plain_text(entry, 200)
        if is_junk(entry):
            continue
        if entry.lower().endswith(ARCHIVES):
            said.append(f"{name} in it is an archive again: hand in what it holds")
        elif entry.lower().endswith(SOURCES):
            count += 1
            if count <= most:
                yield {"name": name, **_found(name, content, functions)}
    if count > most:
        said.append(f"it holds {count} files: only {most} more of this student are read")
    if not count and not said:
        said.append(f"it holds no file that ends in {' or '.join(SOURCES)}")
    yield {"done": said[:MAX_NOTES]}


def _unpacked(path: Path, into: Path, ends: tuple[str, ...]) -> dict:
    """Each wanted file of a class's archive as a numbered one in the folder: its name -> number."""
    files: dict[str, str] = {}
    skipped: dict[str, str] = {}

    def keep(name: str, data: bytes) -> None:
        if not is_junk(name):
            files[plain_text(name, 400)] = str(len(files))
            (into / files[plain_text(name, 400)]).write_bytes(data)

    try:
        archive.unpack(path, keep, skipped=skipped, ends=ends)
    except archive.BadArchive as error:
        return {"refused": plain_text(error, 300)}
    left = {plain_text(n, 400): plain_text(w, 300) for n, w in skipped.items() if not is_junk(n)}
    return {"files": files, "skipped": left}


def claims(parsed: Parsed, file: str, functions: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The exercises that a file answers, and what is unclear about that. functions: exercise ->
    what its function is called.

    By the cells' metadata; where it was stripped, by the function's name, and among exercises that
    ask for a function of the same name by the file's name or its check.
    """
    marked = dict.fromkeys(c.exercise for c in parsed.cells if c.exercise in functions)
    spoken = {functions[name] for name in marked}
    claimed, unclear = list(marked), []
    by_function: dict[str, list[str]] = {}
    for name, function in functions.items():
        if function not in spoken and (parsed.defines(function) or parsed.spells(function)):
            by_function.setdefault(function, []).append(name)
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


def _likely(parsed: Parsed, file: str, names: Iterable[str]) -> list[str]:
    """Those whose topic is in the file's name, or whose check the file calls."""
    topics = {name: name.split("/")[1] for name in names}
    by_file = [name for name, topic in topics.items() if topic in file]
    if by_file:
        longest = max(len(topics[name]) for name in by_file)
        return [name for name in by_file if len(topics[name]) == longest]
    code = "\n".join(cell.source for cell in parsed.cells)
    return [n for n, topic in topics.items() if re.search(rf"\.{topic}(\.variant)?\(", code)]


def limit_memory() -> None:
    """What the system itself enforces, where it can; `apart` looks at it in any case."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


if __name__ == "__main__":
    limit_memory()
    apart.serve(answer)
