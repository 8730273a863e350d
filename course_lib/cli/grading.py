"""The commands `course grade` and `course assign`."""

import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import MofNCompleteColumn, Progress

from course_lib.cli.output import bar, console, mark
from course_lib.cli.panels import CLASS

MIN_SECRET = 16  # bytes


@dataclass(frozen=True)
class Marks:
    """What the command line says of marks, besides the tests."""

    handed_in: Path | None
    override: tuple[str, str, str, str] | None
    regrade: Sequence[str]
    export: bool
    solutions: Path


def add(app: typer.Typer) -> None:
    """Hang the commands into the `course` command."""
    app.command(rich_help_panel=CLASS, short_help="Grade a class, each answer in a sandbox.")(grade)
    app.command(
        rich_help_panel=CLASS, short_help="Write notebooks with constants of each student."
    )(assign)


def grade(
    submissions: Annotated[
        Path | None, typer.Argument(help="folder, zip or tar of notebooks or .py files")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="the report's folder; again: goes on")] = None,
    exercises: Annotated[
        list[str] | None,
        typer.Option(help="as architecture/rope, or a chapter; all that anybody answered"),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="submissions at a time")] = 2,
    roster: Annotated[
        Path | None, typer.Option(help="CSV of the class, or assignment.json of course assign")
    ] = None,
    secret_file: Annotated[
        Path | None, typer.Option(help="what hidden inputs are made from; kept for you if left out")
    ] = None,
    title: Annotated[
        str, typer.Option(help="the assignment's title, and column in Canvas")
    ] = "Exercises",
    handed_in: Annotated[
        Path | None, typer.Option(help="CSV of when each came, for the assignment's late days")
    ] = None,
    override: Annotated[
        tuple[str, str, str, str] | None,
        typer.Option(
            metavar="STUDENT EXERCISE POINTS REASON", help="a second look: counts from now on"
        ),
    ] = None,
    regrade: Annotated[
        list[str] | None, typer.Option(help="a student to grade anew; the others are kept")
    ] = None,
    export_anyway: Annotated[
        bool,
        typer.Option("--export-anyway", help="write canvas.csv and moodle.csv whatever is open"),
    ] = False,
    solutions: Annotated[
        Path, typer.Option(help="the course's solutions, to find near-copies of them")
    ] = Path("solutions"),
    unsafe_no_sandbox: Annotated[
        bool,
        typer.Option(
            "--unsafe-no-sandbox", help="grade without isolation: only code that you trust"
        ),
    ] = False,
    probe: Annotated[
        bool, typer.Option("--probe", help="only say whether isolation works here")
    ] = False,
    demo: Annotated[bool, typer.Option("--demo", help="make a class of 30 and grade it")] = False,
    autograder: Annotated[
        Path | None, typer.Option(help="write a zip to upload to Gradescope, grade nothing")
    ] = None,
    wheel: Annotated[Path | None, typer.Option(help="the course's wheel, for the zip")] = None,
):
    """Grade a class: students' code runs in a sandbox, and is compared outside it."""
    if probe:
        raise typer.Exit(0 if _probe() else 2)
    chosen = _chosen(exercises)
    key = _secret(secret_file)
    if autograder:
        _autograder(autograder, chosen, key, unsafe_no_sandbox, roster, wheel)
        return
    if out is None or (submissions is None and not demo):
        raise ValueError("course grade SUBMISSIONS --out REPORT, or course grade --demo --out X")
    if demo:
        from course_lib.grading.demo import write_class

        submissions, roster = write_class(out)
    from course_lib.grading.sandbox.bubblewrap import NoSandbox

    try:
        marks = Marks(handed_in, override, regrade or [], export_anyway, solutions)
        code = _grade(
            submissions, out, chosen, workers, roster, key, title, unsafe_no_sandbox, marks
        )
    except NoSandbox as missing:
        raise OSError(str(missing)) from missing  # what the user can mend: see `errors`
    if code:
        raise typer.Exit(code)


def _probe() -> bool:
    """Whether the sandbox works here, feature by feature."""
    from course_lib.grading.sandbox.probe import probe

    found = probe()
    for ok, what, remedy in found:
        console.print(mark(ok), what if ok else f"{what}: {remedy}")
    return all(ok for ok, *_ in found)


def _chosen(names: Sequence[str] | None) -> list[str]:
    """Exercises by name, by chapter, or several with commas. Raises ValueError for unknown ones."""
    from course_lib.checks import catalogue

    known, chosen = catalogue(), []
    for name in [part for given in names or [] for part in given.split(",") if part]:
        found = [k for k in known if name in (k, k.split("/")[0])]
        if not found:
            raise ValueError(f"no exercise {name!r}, expected one of {', '.join(known)}")
        chosen += [k for k in found if k not in chosen]
    return chosen


def _secret(path: Path | None) -> bytes:
    """The secret, made once and readable by its owner alone."""
    from course_lib import runtime

    path = path or runtime.home() / "grading.secret"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_hex(32).encode())
    secret = path.read_bytes().strip()
    if len(secret) < MIN_SECRET:
        raise ValueError(f"{path} holds {len(secret)} bytes, expected at least {MIN_SECRET}")
    return secret


def _grade(
    submissions: Path,
    out: Path,
    chosen: Sequence[str],
    workers: int,
    roster_path: Path | None,
    secret: bytes,
    title: str,
    unsafe: bool,
    marks: Marks,
) -> int:
    """Read, grade, report; the exit code."""
    from course_lib.checks import catalogue
    from course_lib.grading import batch
    from course_lib.grading.intake.roster import Roster, read_roster
    from course_lib.grading.intake.submission import read_class
    from course_lib.grading.judges import Judges
    from course_lib.grading.marks.settle import again, read_settings, read_tables, settle
    from course_lib.grading.reports.copies.published import published
    from course_lib.grading.reports.report import Extra, write_report
    from course_lib.grading.sandbox.bubblewrap import Limits
    from course_lib.grading.sandbox.probe import require

    if not unsafe:
        require()
    roster = read_roster(roster_path) if roster_path else Roster()
    settings = read_settings(roster_path)
    exercises, limits = catalogue(), Limits()
    students, wanted = read_class(submissions, exercises, roster, chosen)
    if not wanted:
        raise ValueError(f"{submissions}: no answer to any of the course's exercises")
    key = batch.Key(secret=secret, exercises=exercises, limits=limits, sandboxed=not unsafe)
    out_of = {name: exercises[name].points for name in wanted}
    tables = read_tables(out, students, out_of, settings, roster, marks.handed_in, marks.override)
    again(marks.regrade, [s.submission for s in students], key.digest, out / "results")
    with ExitStack() as stack:
        shown = stack.enter_context(bar(MofNCompleteColumn()))
        task = shown.add_task("grading", total=len(students))
        judges = stack.enter_context(Judges(secret, limits, sandboxed=not unsafe))
        outcome = batch.grade_class(
            [student.submission for student in students],
            judges.grade,
            key,
            out / "results",
            workers=workers,
            progress=lambda done, total, text: _tell(shown, task, done, total, text),
        )
    results, looks = settle(out, students, outcome.results, out_of, settings, tables)
    extra = Extra(
        date=datetime.now().astimezone().date().isoformat(),
        people={person.student for person in roster.people},
        questions={q.name: (q.title, q.points) for q in settings.questions},
        looks=looks,
        export=marks.export,
        published=published(marks.solutions, wanted) if marks.solutions.is_dir() else None,
    )
    outcome = replace(outcome, results=results)
    why = write_report(out, students, outcome, wanted, exercises, title, extra)
    _held(why, marks.export)
    return _close(out, students, outcome, unsafe)


def _held(why: Sequence[str], export: bool) -> None:
    """Say aloud what is open before marks leave the house."""
    for one in why:
        console.print(one, style="red", highlight=False, markup=False, soft_wrap=True)
    if why and export:
        console.print("canvas.csv and moodle.csv are written all the same", style="red")
    elif why:
        said = "canvas.csv and moodle.csv are not written: mend this, or --export-anyway"
        console.print(said, style="red")


def _close(out: Path, students: Sequence, outcome, unsafe: bool) -> int:
    """Say what was done, and where it is."""
    if unsafe:
        from course_lib.grading.reports.words import STAMP

        console.print(STAMP, style="red")
    done = f"{len(outcome.results)} of {len(students)} students"
    console.print(f"{done}: {outcome.graded} contents graded, {outcome.kept} kept from before")
    console.print(f"{out / 'summary.html'}", highlight=False)
    if outcome.interrupted:
        console.print("interrupted: the same command goes on from here")
        return 130
    return 0


def _tell(shown: Progress, task, done: int, total: int, text: str) -> None:
    shown.update(task, completed=done, total=total, description=text[:30] or "grading")
    if not console.is_terminal:
        console.print(f"{done} of {total} {text}", highlight=False)


def _autograder(
    path: Path,
    chosen: Sequence[str],
    secret: bytes,
    unsafe: bool,
    roster_path: Path | None,
    wheel: Path | None,
) -> None:
    from course_lib.grading.intake.roster import read_roster
    from course_lib.grading.reports.gradescope import write_autograder

    roster = read_roster(roster_path) if roster_path else None
    names = chosen or (roster.exercises if roster else ())
    if not names:
        raise ValueError("course grade --autograder needs --exercises")
    write_autograder(
        path, names, secret, _requirement(), unsafe=unsafe, roster=roster_path, wheel=wheel
    )
    console.print(f"{path}: upload it to Gradescope. It holds the secret: give it to nobody else.")


def _requirement() -> str:
    """What pip installs the course from."""
    from importlib.metadata import metadata

    about = metadata("llm-course")
    links: Mapping[str, str] = dict(
        line.split(", ", 1) for line in about.get_all("Project-URL") or []
    )
    return f"{about['Name']} @ git+{links['Repository']}"


def assign(
    exercises: Annotated[list[str], typer.Argument(help="as architecture/rope, or a chapter")],
    roster: Annotated[Path, typer.Option(help="CSV of the class; Canvas's and Moodle's will do")],
    out: Annotated[Path, typer.Option(help="a folder a student, and assignment.json")],
    seed: Annotated[int, typer.Option(help="another seed deals other constants")] = 0,
    notebooks: Annotated[Path, typer.Option(help="the course's exercise notebooks")] = Path(
        "exercises"
    ),
):
    """Write everyone's notebooks, with constants that differ by student where exercises allow."""
    from course_lib.checks import catalogue
    from course_lib.grading.assign import write_assignment
    from course_lib.grading.intake.roster import read_roster

    chosen = _chosen(exercises)
    made = write_assignment(read_roster(roster), chosen, catalogue(), notebooks, out, seed)
    console.print(f"{made} notebooks in {out}; keep {out / 'assignment.json'} for course grade")
