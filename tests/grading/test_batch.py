"""A class in one go: each content once, in parallel, and nothing that was done is lost."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from course_lib.checks.exercise import Case, Exercise
from course_lib.grading import batch
from course_lib.grading.batch import Key, grade_class
from course_lib.grading.outcome import Graded, Result, Submission

ADD = Exercise(
    name="data/add",
    title="Adding",
    answer="my_add",
    kind="warm-up",
    minutes=5,
    points=10,
    cases=lambda seed: [Case("a number", (seed,))],
    reference=lambda x: x + 1,
    mistakes={"You subtract.": lambda x: x - 1},
)
KEY = Key(secret=b"secret", exercises={"data/add": ADD})


def handed_in(student, source, **more):
    return Submission(student=student, answers={"data/add": source}, **more)


class Judge:
    """Stands for the judge: counts its calls. wait: what the n-th of them does first."""

    def __init__(self, wait=lambda n: None):
        self.seen, self.wait = [], wait
        self.lock = threading.Lock()

    def __call__(self, submission):
        with self.lock:
            self.seen.append(submission.student)
            number = len(self.seen)
        self.wait(number)
        source = submission.answers["data/add"]
        if source == "fails":
            raise RuntimeError("a bug of ours <b>")
        graded = Graded(
            exercise="data/add",
            points=float(len(source)),
            out_of=10,
            status="partly",
            tests=((True, "a number"), (False, "another")),
            seconds=0.5,
        )
        return Result(student=submission.student, digest="", graded=(graded,), seconds=0.5)


def test_equal_answers_are_graded_once_and_kept_for_the_next_run(tmp_path):
    judge = Judge()
    class_ = [handed_in("ann", "x"), handed_in("bob", "x", problems=("late",)), handed_in("cy", "")]
    first = grade_class(class_, judge, KEY, tmp_path)
    assert sorted(judge.seen) == ["ann", "cy"]
    assert (first.graded, first.kept) == (2, 0)
    assert [first.results[s].points for s in ("ann", "bob", "cy")] == [1, 1, 0]
    assert first.results["bob"].student == "bob" and first.results["bob"].problems == ("late",)
    again = grade_class([*class_, handed_in("dan", "xyz")], judge, KEY, tmp_path)
    assert judge.seen[2:] == ["dan"] and (again.graded, again.kept) == (1, 2)
    assert again.results["bob"] == first.results["bob"]
    assert len(list(tmp_path.glob("*.json"))) == 3


def test_what_could_change_a_grade_changes_the_digest():
    one = handed_in("ann", "x")
    digest = KEY.digest(one)
    assert digest == KEY.digest(replace(one, student="bob", files=("a.py",), problems=("late",)))
    others = [
        KEY.digest(handed_in("ann", "y")),
        KEY.digest(replace(one, constants={"data/add": {"K": 2}})),
        replace(KEY, secret=b"other", codes={}).digest(one),
        replace(KEY, limits="less", codes={}).digest(one),
        replace(KEY, sandboxed=False, codes={}).digest(one),
        replace(KEY, codes={"data/add": "changed"}).digest(one),
    ]
    assert len({digest, *others}) == 7


def test_no_file_holds_the_secret_or_the_name(tmp_path):
    grade_class([handed_in("ann-the-student", "x")], Judge(), KEY, tmp_path)
    (file,) = tmp_path.iterdir()
    assert "secret" not in file.read_text() and "ann-the" not in file.read_text()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"graded": [{}]}', '{"graded": 3}', "\0"])
def test_a_damaged_result_is_graded_again(tmp_path, text):
    judge, one = Judge(), handed_in("ann", "xx")
    (tmp_path / f"{KEY.digest(one)}.json").write_text(text)
    assert grade_class([one], judge, KEY, tmp_path).results["ann"].points == 2
    assert judge.seen == ["ann"]


def test_workers_grade_at_the_same_time(tmp_path):
    both = threading.Barrier(2)  # nobody passes before the other is there, too
    judge, said = Judge(lambda n: both.wait(timeout=60)), []
    class_ = [handed_in(str(i), "x" * i) for i in range(4)]
    done = grade_class(class_, judge, KEY, tmp_path, workers=2, progress=lambda *a: said.append(a))
    assert all(done.results[str(i)].points == i for i in range(4))
    assert [(done, total) for done, total, _ in said] == [(i, 4) for i in range(5)]


def test_an_error_of_ours_is_that_students_alone_and_tried_again(tmp_path):
    judge = Judge()
    outcome = grade_class([handed_in("ann", "fails"), handed_in("bob", "x")], judge, KEY, tmp_path)
    (failed,) = outcome.results["ann"].graded
    assert failed.status == "not graded" and failed.out_of == 10
    assert "RuntimeError: a bug of ours" in failed.review
    assert outcome.results["bob"].points == 1
    grade_class([handed_in("ann", "fails")], judge, KEY, tmp_path)
    assert judge.seen.count("ann") == 2


class NoSandbox(RuntimeError):
    """Stands for the sandbox's."""


def test_without_isolation_everything_stops(tmp_path):
    def judge(submission):
        raise NoSandbox("bubblewrap is missing")

    with pytest.raises(NoSandbox, match="bubblewrap"):
        grade_class([handed_in("ann", "x")], judge, KEY, tmp_path)
    assert not list(tmp_path.glob("*.json"))


def test_an_interruption_keeps_what_is_done_and_the_next_run_goes_on(tmp_path, monkeypatch):
    """Two are done; those in hand wait until the rest has been called off, and then finish."""
    called_off = threading.Event()
    judge = Judge(lambda n: n <= 2 or called_off.wait(60))

    class Executor(ThreadPoolExecutor):
        def shutdown(self, wait=True, *, cancel_futures=False):
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            called_off.set()
            super().shutdown(wait=wait)

    monkeypatch.setattr(batch, "ThreadPoolExecutor", Executor)
    class_ = [handed_in(f"s{i}", "x" * i) for i in range(8)]

    def stop(done, total, text):
        if done == 2 and not text.startswith("interrupted"):
            raise KeyboardInterrupt

    first = grade_class(class_, judge, KEY, tmp_path, workers=2, progress=stop)
    assert first.interrupted and 2 <= len(first.results) <= 4
    assert len(list(tmp_path.glob("*.json"))) == len(judge.seen) == len(first.results)
    second = grade_class(class_, judge, KEY, tmp_path)
    assert not second.interrupted and len(second.results) == 8
    assert sorted(judge.seen) == sorted(f"s{i}" for i in range(8))


def test_a_result_is_plain_json(tmp_path):
    grade_class([handed_in("ann", "x")], Judge(), KEY, tmp_path)
    (file,) = tmp_path.glob("*.json")
    assert json.loads(file.read_text())["graded"][0]["tests"] == [
        [True, "a number"],
        [False, "another"],
    ]


def late(submission, points=0.0, status="out of time", review=""):
    one = Graded(exercise="data/add", points=points, out_of=10, status=status, review=review)
    return Result(student=submission.student, digest="", graded=(one,))


@pytest.mark.parametrize(("status", "tries"), [("out of memory", 2), ("passed", 1)])
def test_a_late_answer_beside_a_hog_is_tried_again_alone(tmp_path, status, tries):
    both, seen = threading.Barrier(2), []

    def grade(submission):
        seen.append(submission.student)
        first = seen.count(submission.student) == 1
        if first:
            both.wait(10)
        if submission.student == "hog":
            if first:
                both.wait(10)
            return late(submission, status=status, review="" if status == "passed" else "a hog")
        if first:
            both.wait(10)
            return late(submission)
        return late(submission, 10.0, "passed")

    class_ = [handed_in("honest", "a"), handed_in("hog", "b")]
    outcome = grade_class(class_, grade, KEY, tmp_path, workers=2)
    assert seen.count("honest") == tries
    assert outcome.results["honest"].points == (10.0 if tries == 2 else 0.0)
    again = grade_class(class_, grade, KEY, tmp_path, workers=2)
    assert again.kept == 2 and again.results["honest"].points == outcome.results["honest"].points
