"""The pages of a report: what they say, and that nothing of a student's gets through as markup."""

import base64
import hashlib
import json
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from course_lib.checks.exercise import Case, Exercise
from course_lib.grading.batch import Outcome
from course_lib.grading.intake.notebook import plain_text
from course_lib.grading.intake.roster import Person
from course_lib.grading.intake.submission import Student
from course_lib.grading.outcome import Graded, Result, Submission
from course_lib.grading.reports import pages, sorting, tally
from course_lib.grading.reports.markup import Safe, joined, tag
from course_lib.grading.reports.report import Extra, slug, write_report
from course_lib.grading.reports.summary import Class, summary
from course_lib.grading.reports.words import counts_nothing

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\x1b[32m\u202e\"'></pre>"
NAMES = ("data/add", "data/double")
LINES = "\n".join(f"a = b.c{i}(d, {i}) * {i}" for i in range(100))
CODE = f"{LINES}\ns = [{EVIL}]"


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
            Submission(student=name, files=("add.ipynb",), answers={NAMES[0]: CODE}),
            Person(student=name, row={"name": "Ann Lee <i>"} if name == "ann" else {}),
        )
        for name in (EVIL, "ann", "../../etc/passwd", "waiting")
    ]
    results = {
        EVIL: result(EVIL, 0.0, 10.0, problems=(EVIL,)),
        "ann": result("ann", 10.0, 10.0),
        "../../etc/passwd": result("../../etc/passwd", 0.0, 5.0),
    }
    outcome = Outcome(results=results, graded=3, kept=0, interrupted=True)
    write_report(
        tmp_path / "out", class_, outcome, NAMES, EXERCISES, "Week 1 <b>", Extra(date="2026-10-05")
    )
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
        scripts = text.count("<script")
        assert scripts == (path.name == "summary.html"), "the report's own, in one page alone"
        assert not found.names & {"img", "iframe", "b", "i"}, path
        assert not [a for a in found.attributes if a.startswith("on")]
        assert "\x1b" not in text and "\u202e" not in text
        assert "default-src 'none'" in text and "http" not in text.replace("http-equiv", "")
        assert 'name="viewport"' in text and "prefers-color-scheme" in text


def test_only_the_reports_own_script_may_run(written):
    text = (written / "summary.html").read_text(encoding="utf-8")
    (script,) = [part.split("</script>")[0] for part in text.split("<script>")[1:]]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src " in text
    assert f"script-src 'sha256-{digest}'\">" in text and script == sorting.SCRIPT
    for reaching in ("fetch", "import", "XMLHttp", "innerHTML", "eval", "Function"):
        assert reaching not in script


def test_titles_dates_and_names_stand_in_every_page(written):
    feedback = Tags((written / "feedback" / "ann.html").read_text(encoding="utf-8")).text
    assert "Ann Lee <i> (ann)" in feedback and "Week 1 <b> · graded 2026-10-05" in feedback
    assert "waiting" not in feedback
    text = Tags((written / "summary.html").read_text(encoding="utf-8")).text
    assert "Week 1 <b> · graded 2026-10-05" in text and "Ann Lee <i>ann20" in text


def test_feedback_holds_the_code_as_it_was_graded(written):
    text = (written / "feedback" / "ann.html").read_text(encoding="utf-8")
    assert text.count("<details>") == 1, "of one answer; the other wasn't given"
    shown = Tags(text).text
    assert (
        "   1  a = b.c0(d, 0) * 0\n   2  a = b.c1(d, 1) * 1\n" in shown
        and " 101  s = [<script>" in shown
    )
    assert "<script>" not in text


def test_long_code_is_cut_and_says_so():
    shown = Tags(pages.code("a\n\n\n\nb\n" + "c\n" * 600 + "d" * 1_000)).text
    assert "   1  a\n   2\n   5  b" in shown and "… and 6 more lines" in shown
    assert "(cut)" in Tags(pages.code("d" * 1_000)).text


def test_feedback_says_why_edges_count_nothing():
    tests = ((False, "two numbers"), (True, "none"), (True, "all masked"))
    wrong = graded("data/add", 0.0, "wrong", tests=tests)
    one = Result(student="ann", digest="", graded=(wrong,))
    text = Tags(pages.feedback(one, EXERCISES)).text
    assert "2 tests hold and count 0 so far. What holds are edges" in text
    assert "✓ none · an edge, counts 0" in text and "✗ two numbers✓" in text
    partly = graded("data/add", 3.33, "partly", tests=tests)
    text = Tags(pages.feedback(Result(student="a", digest="", graded=(partly,)), EXERCISES)).text
    assert "counts 0" not in text and "3.33 of 10 points" in text
    assert not counts_nothing(graded("data/add", 0.0, "wrong", tests=((False, "two"),)))


PAGE = """
const given = JSON.parse(process.argv[1]);
const out = {
  up: given.texts && sorted(given.texts, false).map(i => given.texts[i]),
  down: given.texts && sorted(given.texts, true).map(i => given.texts[i]),
  held: given.filter && given.filter[0].map(text => holds(text, given.filter[1])),
};
console.log(JSON.stringify(out));
"""


def _in_node(**given):
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node to run the page's script with")
    command = [node, "-e", sorting.SCRIPT + PAGE, json.dumps(given)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


def test_columns_sort_numbers_by_size_and_texts_as_people_do():
    out = _in_node(texts=["10", "9.5", "", "0", "100"])
    assert out["up"] == ["0", "9.5", "10", "100", ""]
    assert out["down"] == ["100", "10", "9.5", "0", ""], "who has none stays last"
    out = _in_node(texts=["zoë", "Ann 10", "ann 2", "Émile"])
    assert out["up"] == ["ann 2", "Ann 10", "Émile", "zoë"]


def test_rows_are_shown_that_hold_every_word_and_none_with_a_minus():
    rows = ["Ann Lee al 10 passed", "Bob Roy br 3 wrong", "-7 late"]
    assert _in_node(filter=[rows, "  ANN passed"])["held"] == [True, False, False]
    assert _in_node(filter=[rows, "-passed"])["held"] == [False, True, True]
    assert _in_node(filter=[rows, " - "])["held"] == [True, True, True]
    rows = ["rope: wrong, top_p: passed", "rope: passed, top_p: wrong"]
    assert _in_node(filter=[rows, '"rope: wrong"'])["held"] == [True, False]
    assert _in_node(filter=[rows, '-"rope: wrong" top'])["held"] == [False, True]
    assert _in_node(filter=[rows, '"rope: wr'])["held"] == [True, False], "while one types"


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
    assert "the same program as Ann Lee <i> (ann), ../../etc/passwd, waiting: at least" in text
    assert "No mark changes by it." in text and "solutions weren't there" in text


def test_gradescope_reads_its_own_form(written):
    data = json.loads((written / "gradescope" / "ann" / "results.json").read_text())
    assert data["score"] == 20 and len(data["tests"]) == 2
    assert {t["status"] for t in data["tests"]} == {"passed"}
    assert all(t["output_format"] == "text" for t in data["tests"])


def test_a_grade_without_a_sandbox_says_so_on_every_page():
    unsafe = result("ann", 10.0, 10.0, sandboxed=False)
    assert "WITHOUT a sandbox" in pages.feedback(unsafe, EXERCISES)
    ann = Student(Submission(student="ann"), Person(student="ann"))
    of = Class(students=[ann], results={"ann": unsafe}, exercises=NAMES)
    assert "WITHOUT a sandbox" in summary(of)


def test_a_class_of_nobody_has_a_summary():
    assert "Nobody." in summary(Class(students=[], results={}, exercises=NAMES))


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
