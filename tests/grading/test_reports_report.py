"""The pages of a report: what they say, and that nothing of a student's gets through as markup."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest

from course_lib.checks.exercise import Case, Exercise
from course_lib.grading.batch import Outcome
from course_lib.grading.intake.notebook import plain_text
from course_lib.grading.intake.roster import Person
from course_lib.grading.intake.submission import Student
from course_lib.grading.outcome import Graded, Result, Submission
from course_lib.grading.reports import pages, tally
from course_lib.grading.reports.markup import Safe, joined, tag
from course_lib.grading.reports.report import slug, write_report

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\x1b[32m\u202e\"'></pre>"
NAMES = ("data/add", "data/double")


def exercise(name):
    return Exercise(
        name=name,
        title=f"About {name}",
        answer="f",
        kind="warm-up",
        minutes=5,
        points=10,
        cases=lambda seed: [Case("a number", (seed,))],
        reference=lambda x: x,
        mistakes={},
    )


EXERCISES = {name: exercise(name) for name in NAMES}


def graded(name, points, status, **more):
    return Graded(exercise=name, points=points, out_of=10, status=status, **more)


def result(student, first, second, **more):
    marks = []
    for name, points in zip(NAMES, (first, second), strict=True):
        status = "passed" if points == 10 else "partly" if points else "wrong"
        tests = ((True, "an ordinary one"), (points == 10, EVIL))
        mistake = None if points else "You forgot <b>one</b>."
        marks.append(graded(name, points, status, tests=tests, mistake=mistake, said=EVIL))
    return Result(student=student, digest="abc", graded=tuple(marks), seconds=2.0, **more)


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.names, self.attributes, self.text = set(), set(), ""
        self.feed(text)

    def handle_starttag(self, name, attributes):
        self.names.add(name)
        self.attributes |= {key for key, _ in attributes}

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def written(tmp_path):
    class_ = [
        Student(
            Submission(student=name, files=("add.ipynb",), answers={NAMES[0]: "x = 1\n" * 100}),
            Person(student=name),
        )
        for name in (EVIL, "ann", "../../etc/passwd", "waiting")
    ]
    results = {
        EVIL: result(EVIL, 0.0, 10.0, problems=(EVIL,)),
        "ann": result("ann", 10.0, 10.0),
        "../../etc/passwd": result("../../etc/passwd", 0.0, 5.0),
    }
    outcome = Outcome(results=results, graded=3, kept=0, interrupted=True)
    write_report(tmp_path / "out", class_, outcome, NAMES, EXERCISES)
    return tmp_path / "out"


def test_everything_is_written_below_the_folder(written):
    files = {p.relative_to(written).as_posix() for p in written.rglob("*") if p.is_file()}
    assert {"grades.csv", "canvas.csv", "moodle.csv", "summary.html"} <= files
    assert "feedback/ann.html" in files and "gradescope/ann/results.json" in files
    assert len([f for f in files if f.startswith("feedback/")]) == 3
    assert not [f for f in files if f.endswith(".partial")]
    assert list(written.parent.iterdir()) == [written]


def test_no_page_lets_a_students_markup_through(written):
    for path in written.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        found = Tags(text)
        assert not found.names & {"script", "img", "iframe", "b"}, path
        assert not [a for a in found.attributes if a.startswith("on")]
        assert "\x1b" not in text and "\u202e" not in text
        assert "default-src 'none'" in text and "http" not in text.replace("http-equiv", "")
        assert 'name="viewport"' in text and "prefers-color-scheme" in text


def test_feedback_says_points_tests_and_the_mistake(written):
    (page,) = [p for p in (written / "feedback").iterdir() if "etc" in p.name]
    text = Tags(page.read_text(encoding="utf-8")).text
    assert "5 of 20 points" in text and "About data/add" in text
    assert "✓ an ordinary one" in text and "You forgot <b>one</b>." in text


def test_the_summary_says_who_is_to_be_looked_at(written):
    text = Tags((written / "summary.html").read_text(encoding="utf-8")).text
    assert "1 not graded yet" in text
    assert "3 graded · mean 58% · median 50%" in text
    assert "2data/addYou forgot <b>one</b>." in text
    assert "the same text as ann, ../../etc/passwd, waiting" in text


def test_gradescope_reads_its_own_form(written):
    data = json.loads((written / "gradescope" / "ann" / "results.json").read_text())
    assert data["score"] == 20 and len(data["tests"]) == 2
    assert {t["status"] for t in data["tests"]} == {"passed"}
    assert all(t["output_format"] == "text" for t in data["tests"])


def test_a_grade_without_a_sandbox_says_so_on_every_page():
    unsafe = result("ann", 10.0, 10.0, sandboxed=False)
    assert "WITHOUT a sandbox" in pages.feedback(unsafe, EXERCISES)
    assert "WITHOUT a sandbox" in pages.summary([unsafe], NAMES, {}, {})


def test_a_class_of_nobody_has_a_summary():
    assert "Nobody." in pages.summary([], NAMES, {}, {})


def test_text_is_escaped_unless_it_was_made_here():
    assert tag("p", "<b>", tag("i", "&"), class_='"x"') == (
        '<p class="&quot;x&quot;">&lt;b&gt;<i>&amp;</i></p>'
    )
    assert joined("<", Safe("<br>")) == "&lt;<br>"


def test_names_of_files_are_plain_and_never_shared():
    names = ["ann", "Ann Lee", "ann-lee", "ann.lee", "../x", "", "é" * 300, "CON", "a/b", "a-b"]
    made = [slug(name) for name in names]
    assert len(set(made)) == len(names)
    assert all(m and m.isascii() and "/" not in m and "." not in m and len(m) < 60 for m in made)


def test_cleaned_text_is_short_and_can_be_encoded():
    assert plain_text("\x1b[31mred\x1b[0m\x07\ud800") == "red\N{REPLACEMENT CHARACTER}?"
    assert plain_text("x" * 5_000).endswith("… (cut)")


def test_point_biserial_by_hand_and_by_numpy():
    """Scores 1, 2, 3, 4; the upper two passed: r = (3.5 - 1.5) / sqrt(1.25) / 2 = 0.894."""
    r = tally.point_biserial([False, False, True, True], [1.0, 2.0, 3.0, 4.0])
    assert r == pytest.approx(0.8944, abs=1e-4)
    draw = np.random.default_rng(0)
    passed, score = draw.random(50) < 0.4, draw.random(50)
    ours = tally.point_biserial(passed.tolist(), score.tolist())
    assert ours == pytest.approx(np.corrcoef(passed, score)[0, 1])
    assert tally.point_biserial([True, True], [1.0, 2.0]) is None
    assert tally.point_biserial([True, False], [1.0, 1.0]) is None


def test_items_correlate_with_the_rest_not_with_themselves():
    points = [(10.0, 10.0), (10.0, 5.0), (0.0, 10.0), (0.0, 0.0)]
    results = [result(str(i), a, b) for i, (a, b) in enumerate(points)]
    add, _ = tally.items(results, NAMES)
    assert (add.passed, add.difficulty) == (2, 0.5)
    expected = np.corrcoef([1, 1, 0, 0], [1, 0.5, 1, 0])[0, 1]
    assert add.discrimination == pytest.approx(expected)
    alone = [Result(student="a", digest="", graded=(graded("data/add", 10.0, "passed"),))]
    assert tally.items(alone, NAMES)[0].discrimination is None


def test_the_distribution_counts_everyone_once():
    points = [(10.0, 10.0), (0.0, 0.0), (1.0, 1.0), (0.0, 5.0)]
    results = [result(str(i), a, b) for i, (a, b) in enumerate(points)]
    assert tally.distribution(results) == [1, 1, 1, 0, 0, 0, 0, 0, 0, 1]
