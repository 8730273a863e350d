"""Late days, by hand, and times and policies that can't be."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.grading.intake.roster import Person, Roster
from course_lib.grading.intake.submission import Student
from course_lib.grading.marks import late
from course_lib.grading.marks.rows import BadRow
from course_lib.grading.marks.settle import Settings, read_tables
from course_lib.grading.outcome import Graded, Result, Submission
from course_lib.grading.reports import pages
from course_lib.grading.reports.gradescope import results_json
from course_lib.grading.reports.lms import comment

DUE = datetime(2026, 10, 5, 23, 59)
POLICY = late.Policy(due=DUE, free_days=2, percent_a_day=10, most_days=5)


def student(name, files=("a.py",), **row):
    return Student(Submission(student=name, files=files), Person(student=name, row=row))


def marked(days, policy=POLICY, points=8.0, **row):
    one = Graded(exercise="data/add", points=points, out_of=10, status="partly")
    results = {"ann": Result(student="ann", digest="", graded=(one,))}
    times = {"ann": DUE + timedelta(days=days)}
    made, looks = late.apply(policy, times, [student("ann", **row)], results)
    assert not looks
    return made["ann"]


@pytest.mark.parametrize(
    "days, points, note",
    [
        (0, 8.0, ""),
        (-3, 8.0, ""),
        (0.001, 8.0, "1 day late, 1 without cost."),
        (2, 8.0, "2 days late, 2 without cost."),
        (2.01, 7.2, "3 days late, 2 without cost: 10 % less, 0.8 of 8 points."),
        (5, 5.6, "5 days late, 2 without cost: 30 % less, 2.4 of 8 points."),
        (5.1, 0.0, "6 days late: after 5 days it counts 0."),
    ],
)
def test_a_day_that_has_begun_is_a_day(days, points, note):
    result = marked(days)
    assert result.points == pytest.approx(points) and result.note == note
    assert result.graded[0].points == 8.0, "what the tests gave stays to be seen"


def test_days_of_ones_own_beat_the_policys():
    assert marked(4, **{"Free late days": "4"}).points == 8.0
    assert marked(4, **{"free late days": "0"}).points == pytest.approx(4.8)
    with pytest.raises(BadRow, match="free late days, of ann is 'two', expected whole days"):
        marked(4, **{"free late days": "two"})


@given(st.floats(0, 100), st.floats(0, 60), st.floats(0, 100), st.integers(0, 9))
def test_lateness_never_gives_points_nor_takes_more_than_there_are(points, days, percent, free):
    policy = replace(POLICY, percent_a_day=percent, free_days=free, most_days=None)
    now, later = (marked(d, policy, points).points for d in (days, days + 1))
    assert 0 <= later <= now <= points


def test_what_lateness_costs_is_told_everywhere():
    result = marked(3)
    said = "10 % less, 0.8 of 8 points"
    assert said in pages.feedback(result, {}) and "7.2 of 10 points" in pages.feedback(result, {})
    assert results_json(result, {})["score"] == 7.2 and said in results_json(result, {})["output"]
    assert said in comment(result)


def test_whose_time_isnt_known_is_named_and_not_punished():
    one = Graded(exercise="data/add", points=8.0, out_of=10, status="partly")
    results = {n: Result(student=n, digest="", graded=(one,)) for n in ("ann", "eve")}
    made, (look,) = late.apply(POLICY, {}, [student("ann"), student("eve", ())], results)
    assert made == results and look.student == "ann" and "isn't known" in look.why


def times(folder, text, policy=POLICY):
    path = folder / "times.csv"
    path.write_text(text)
    class_ = [student("ann", identifier="Participant 7"), student("bob", email="bob@x.org")]
    roster = Roster(people=tuple(s.person for s in class_))
    settings = Settings(policy=policy)
    return read_tables(folder, class_, {}, settings, roster, path).times


def test_times_come_from_ones_own_table_or_moodles(tmp_path):
    assert times(tmp_path, "student,handed in\nann,2026-10-06 01:00\nbob,-\n") == {
        "ann": datetime(2026, 10, 6, 1)
    }
    worksheet = (
        "Identifier,Full name,Email address,Maximum Grade,Last modified (submission)\n"
        'Participant 7,Ann Lee,,7,"Monday, 5 October 2026, 11:58 PM"\n'
        "Participant 8,Bob Roy,bob@x.org,7,-\n"
    )
    assert times(tmp_path, worksheet) == {"ann": datetime(2026, 10, 5, 23, 58)}


def test_zones_are_those_of_the_due_time(tmp_path):
    there = replace(POLICY, due=datetime.fromisoformat("2026-10-05T23:59+02:00"))
    text = "student,handed in\nann,2026-10-05T22:30+00:00\nbob,2026-10-06T00:00\n"
    found = times(tmp_path, text, there)
    assert [there.days_late(found[n]) for n in ("ann", "bob")] == [1, 1]
    with pytest.raises(BadRow, match="has a time zone, expected one in the policy's due too"):
        times(tmp_path, text)


@pytest.mark.parametrize(
    "text, said",
    [
        (
            "student,handed in\nann,2026-10-05\n",
            "of ann is '2026-10-05', expected a date and a time",
        ),
        ("student,handed in\nann,yesterday\n", "is 'yesterday', expected a date and a time, as 20"),
        ("student,handed in\nann,2026-13-05T10:00\n", "is '2026-13-05T10:00', expected a date"),
        (
            "student,handed in\nzed,2026-10-05T10:00\n",
            "student is 'zed', expected one of the class",
        ),
        ("student,when\nann,2026-10-05T10:00\n", "no column 'handed in', expected handed in or"),
    ],
)
def test_a_time_that_cant_be_is_named(tmp_path, text, said):
    with pytest.raises(ValueError, match=said):
        times(tmp_path, text)


@pytest.mark.parametrize(
    "data, said",
    [
        ([], '"late" is [], expected at least {"due": "2026-10-05T23:59"}'),
        ({"due": "5.10.2026"}, "due is '5.10.2026', expected a date and"),
        ({"due": "2026-10-05T23:59", "free": 2}, "has 'free', expected due, free_days"),
        ({"due": "2026-10-05T23:59", "free_days": -1}, "free_days is -1, expected whole days"),
        ({"due": "2026-10-05T23:59", "free_days": 1.5}, "free_days is 1.5, expected whole days"),
        (
            {"due": "2026-10-05T23:59", "percent_a_day": 120},
            "is '120', expected a number from 0 to",
        ),
        ({"due": "2026-10-05T23:59", "most_days": "x"}, "most_days is 'x', expected whole days"),
    ],
)
def test_a_policy_that_cant_be_is_refused(data, said):
    with pytest.raises(BadRow) as refused:
        late.policy_of(data, "assignment.json")
    assert said in str(refused.value) and str(refused.value).startswith("assignment.json")


def test_a_policy_and_a_table_of_times_go_together(tmp_path):
    with pytest.raises(BadRow, match="expected --handed-in, a table of times"):
        read_tables(tmp_path, [], {}, Settings(policy=POLICY))
    with pytest.raises(BadRow, match='expected "late" in assignment.json'):
        read_tables(tmp_path, [], {}, Settings(), handed_in=tmp_path / "times.csv")
