"""A page's name finds its code, the code's name its tests, and no folder is a drawer.

Behind book/<stem>/<page>.md stands course_lib/<stem>/<page>.py or course_lib/<stem>/<page>/. Where
other modules serve a page, and where modules serve several, the docstring of the stem's
`__init__.py` says so in this form, a line each, which these tests read:

    Pages and their code:
        page: module, module
    Shared:
        module: what it is
"""

import ast
import re
from pathlib import Path

import pytest

from course_lib import imports
from course_lib.checks import STEMS
from tools.sources import REPO, sources

LIBRARY = REPO / "course_lib"
AT_MOST = 14  # names that a folder shows, its `__init__.py` not among them
MAY_SHOW_MORE = {
    "course_lib": "the packages themselves, and the few root modules under them",
    "course_lib/checks": "nine folders of exercises beside what they share",
}
# tests/<folder> follows <folder> of course_lib, but for these.
FREE = {"parity", "checks", "grading", "tools", "_vendor"}

by_stem = pytest.mark.parametrize("stem", STEMS)


def names_in(folder: Path) -> set[str]:
    """What a folder shows: its modules, data files and folders, without their endings."""
    found = {p for p in folder.iterdir() if not p.name.startswith((".", "__"))}
    return {p.stem for p in found if p.is_file() or list(p.rglob("*.py"))}


def pages(stem: str) -> set[str]:
    """The chapter's pages that hold code: neither its opening nor its list of exercises."""
    return {s.name.split("/")[1] for s in sources("book") if s.stem == stem} - {"index"}


def section(docstring: str, title: str) -> dict[str, str]:
    """The lines `name: text` that stand indented under `title`; longer ones go on, indented more.

    Raises ValueError for an indented line that has no name.
    """
    found: dict[str, str] = {}
    _, _, rest = f"\n{docstring}\n".partition(f"\n{title}:\n")
    for line in rest.splitlines():
        if not line.startswith("    "):
            break
        if line.startswith("     ") and found:
            found[list(found)[-1]] += " " + line.strip()
        elif match := re.fullmatch(r"    ([\w.]+): (\S.*)", line):
            found[match[1]] = match[2]
        else:
            raise ValueError(f"{title}: {line!r} isn't of the form `    name: text`")
    return found


def lists(stem: str) -> tuple[dict[str, list[str]], set[str]]:
    """What the stem's docstring lists: page -> modules, and the shared modules."""
    path = LIBRARY / stem / "__init__.py"
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    listed = section(docstring, "Pages and their code")
    shared = section(docstring, "Shared")
    return {page: text.split(", ") for page, text in listed.items()}, set(shared)


@by_stem
def test_a_page_finds_its_code(stem):
    listed, _ = lists(stem)
    lost = pages(stem) - names_in(LIBRARY / stem) - set(listed)
    assert not lost, f"no course_lib/{stem}/<page>, and no line in its docstring: {sorted(lost)}"


@by_stem
def test_the_list_of_a_stem_is_true(stem):
    listed, shared = lists(stem)
    assert set(listed) <= pages(stem), f"no such page: {sorted(set(listed) - pages(stem))}"
    folders = {page for page in listed if (LIBRARY / stem / page).is_dir()}
    assert not folders, f"a page that has a folder keeps its code there: {sorted(folders)}"
    named = [module for modules in listed.values() for module in modules]
    assert len({*named, *shared}) == len(named) + len(shared), "a module is listed twice"
    for module in [*named, *shared]:
        full = module if module.startswith("course_lib.") else f"course_lib.{stem}.{module}"
        assert imports.module_path(full), f"course_lib/{stem}/__init__.py lists {module}: no such"


@by_stem
def test_every_module_of_a_stem_belongs_to_a_page_or_is_said_to_be_shared(stem):
    listed, shared = lists(stem)
    known = pages(stem) | shared | {module for modules in listed.values() for module in modules}
    lost = names_in(LIBRARY / stem) - known
    assert not lost, f"say in course_lib/{stem}/__init__.py whose these are: {sorted(lost)}"


def test_no_folder_is_a_drawer():
    found = {}
    for folder in {path.parent for path in LIBRARY.rglob("*.py")}:
        place = folder.relative_to(REPO).as_posix()
        if place not in MAY_SHOW_MORE and len(names_in(folder)) > AT_MOST:
            found[place] = sorted(names_in(folder))
    assert not found, f"more than {AT_MOST} names in one folder: {found}"


def test_files_of_tests_are_found_by_what_they_test():
    """tests/<stem>/test_<topic>*.py: the topic is a module, a folder or a page of the stem."""
    wrong = []
    for path in sorted((REPO / "tests").glob("*/test_*.py")):
        stem, name = path.parent.name, path.stem.removeprefix("test_")
        if stem in FREE:
            continue
        topics = names_in(LIBRARY / stem) | (pages(stem) if stem in STEMS else set())
        if not any(name == topic or name.startswith(f"{topic}_") for topic in topics):
            wrong.append(path.relative_to(REPO).as_posix())
    assert not wrong, f"named after no module, folder or page: {wrong}"


def test_files_of_parity_are_found_by_page():
    """tests/parity/test_<stem>.py, or test_<stem>_<page or module>.py."""
    for path in sorted((REPO / "tests" / "parity").glob("test_*.py")):
        stem, _, topic = path.stem.removeprefix("test_").partition("_")
        assert stem in STEMS, f"{path.name}: {stem} is no chapter"
        known = pages(stem) | names_in(LIBRARY / stem)
        assert not topic or any(f"{topic}_".startswith(f"{name}_") for name in known), path.name


def test_files_that_texts_name_are_there():
    """A test or module that a page, a solution or a band names by its path exists."""
    texts = [s.path for s in sources()] + list((REPO / "book").rglob("*.yml"))
    texts += [REPO / "README.md", REPO / "CONTRIBUTING.md", *(REPO / "book").rglob("*.md")]
    pattern = re.compile(
        r"\b(?:course_lib|tests|tools|benchmarks|solutions)/[\w/]+\.(?:py|js|md)\b"
    )
    lost = [
        f"{path.relative_to(REPO)} names {named}"
        for path in sorted(set(texts))
        for named in pattern.findall(path.read_text(encoding="utf-8"))
        if not (REPO / named).exists()
    ]
    assert not lost, "\n".join(lost)


def test_a_list_is_read_as_it_is_written():
    text = """What it is.

    Pages and their code:
        exam: generation, harness,
            stats
    Shared:
        recipe: the artifact
    """
    text = "\n".join(line[4:] if line.startswith("    ") else line for line in text.split("\n"))
    assert section(text, "Pages and their code") == {"exam": "generation, harness, stats"}
    assert section(text, "Shared") == {"recipe": "the artifact"}
    assert section(text, "Nothing") == {}
    with pytest.raises(ValueError, match="isn't of the form"):
        section("Shared:\n    recipe", "Shared")
