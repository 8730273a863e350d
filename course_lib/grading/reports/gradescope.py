"""Gradescope: results.json for one submission, and an autograder to upload.

    python -m course_lib.grading.reports.gradescope /autograder     as run_autograder calls it

Gradescope runs every submission in a container of its own. Bubblewrap needs user namespaces, which
a container may deny; then nothing is graded and results.json says why, unless the zip was made with
--unsafe-no-sandbox: there a student's code could read the secret and write its own result.
"""

import json
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from course_lib.checks import catalogue
from course_lib.checks.exercise import Exercise
from course_lib.grading.intake.notebook import plain_text
from course_lib.grading.intake.roster import Roster, read_roster
from course_lib.grading.intake.submission import read_class
from course_lib.grading.judges import grade_alone
from course_lib.grading.outcome import Graded, Result
from course_lib.grading.reports.words import STAMP, counts_nothing

SETUP = """\
#!/usr/bin/env bash
# Runs once, when Gradescope builds the autograder's image.
set -e
apt-get update
apt-get install -y --no-install-recommends bubblewrap libseccomp2 python3 python3-pip python3-venv git
python3 -m venv /opt/course
/opt/course/bin/pip install --quiet torch --index-url https://download.pytorch.org/whl/cpu
# A wheel that lies in the zip is taken before the published course.
wheel=$(ls /autograder/source/*.whl 2>/dev/null | head -n 1)
/opt/course/bin/pip install --quiet "${wheel:-REQUIREMENT}"
"""  # noqa: E501
RUN = """\
#!/usr/bin/env bash
# Runs for every submission; leaves /autograder/results/results.json.
export HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1
/opt/course/bin/python -m course_lib.grading.reports.gradescope /autograder
"""


def results_json(result: Result, exercises: Mapping[str, Exercise]) -> dict:
    """One submission as Gradescope reads it: a test an exercise."""
    notes = [*([] if result.sandboxed else [STAMP]), *filter(None, [result.note]), *result.problems]
    return {
        "score": round(result.points, 2),
        "execution_time": round(result.seconds),
        "output": plain_text("\n".join(notes)),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [_test(one, exercises) for one in result.graded],
        "extra_data": {"digest": result.digest, "sandboxed": result.sandboxed},
    }


def _test(one: Graded, exercises: Mapping[str, Exercise]) -> dict:
    title = exercises[one.exercise].title if one.exercise in exercises else one.exercise
    lines = [f"{'✓' if holds else '✗'} {what}" for holds, what in one.tests]
    lines += [t for t in (one.note, counts_nothing(one), one.mistake, one.said) if t]
    return {
        "name": f"{title} ({one.exercise})",
        "score": one.points,
        "max_score": one.out_of,
        "status": "passed" if one.status == "passed" else "failed",
        "output": plain_text("\n".join([f"Status: {one.status}", *lines])),
        "output_format": "text",
        "visibility": "visible",
    }


def write_autograder(
    path: Path,
    exercises: Sequence[str],
    secret: bytes,
    requirement: str,
    unsafe: bool = False,
    roster: Path | None = None,
    wheel: Path | None = None,
) -> None:
    """The zip to upload: set-up, the command to run, the exercises and the secret."""
    settings = {
        "exercises": list(exercises),
        "secret": secret.hex(),
        "sandboxed": not unsafe,
        "roster": roster.name if roster else "",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (("setup.sh", SETUP), ("run_autograder", RUN)):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100755 << 16
            archive.writestr(entry, text.replace("REQUIREMENT", requirement))
        archive.writestr("settings.json", json.dumps(settings, indent=1))
        for extra in (roster, wheel):
            if extra:
                archive.writestr(extra.name, extra.read_bytes())


def run(root: Path) -> dict:
    """Grade what lies in root/submission; the result, also written to root/results."""
    try:
        settings = json.loads((root / "source" / "settings.json").read_text(encoding="utf-8"))
        data = _graded(root, settings, catalogue())
    except Exception as error:  # whatever happens, Gradescope needs a results.json that says it
        data = {
            "score": 0,
            "output": f"Not graded: {type(error).__name__}: {plain_text(error)}",
            "output_format": "text",
        }
    (root / "results").mkdir(parents=True, exist_ok=True)
    text = json.dumps(data, indent=1) + "\n"
    (root / "results" / "results.json").write_text(text, encoding="utf-8")
    return data


def _graded(root: Path, settings: dict, exercises: Mapping[str, Exercise]) -> dict:
    roster = Roster()
    if settings["roster"]:
        roster = read_roster(root / "source" / settings["roster"])
    known, wanted = roster.find(*_submitters(root)), settings["exercises"]
    # The container holds one student, whatever the files are called.
    alone = Roster(
        people=(),
        exercises=tuple(wanted),
        constants={"submission": roster.constants[known.student]}
        if known and known.student in roster.constants
        else {},
    )
    students, _ = read_class(root / "submission", exercises, alone, wanted, alone="submission")
    secret = bytes.fromhex(settings["secret"])
    result = grade_alone(students[0].submission, secret, sandboxed=settings["sandboxed"])
    return results_json(result, exercises)


def _submitters(root: Path) -> list[str]:
    """Addresses, numbers and names that Gradescope gives for the submission."""
    path = root / "submission_metadata.json"
    if not path.exists():
        return []
    users = json.loads(path.read_text(encoding="utf-8")).get("users", [])
    return [str(u[k]) for u in users for k in ("email", "sid", "name") if u.get(k)]


if __name__ == "__main__":
    run(Path(sys.argv[1]))
