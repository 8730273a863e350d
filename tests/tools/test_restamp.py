"""A record is stamped anew where, and only where, a sample of its runs is equal to the bit."""

import json

import pytest

from tools import restamp


@pytest.fixture
def record(tmp_path, monkeypatch):
    """A record of another code, its two samples to be set, and git left out."""
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"code": "then", "data": [1.5]}))
    entry = type("Entry", (), {"code": "now"})
    monkeypatch.setattr(restamp.experiments, "get", lambda name: entry)
    monkeypatch.setattr(restamp.experiments, "path_of", lambda name: path)
    monkeypatch.setattr(restamp, "recorded_by", lambda name: "c0ffee")
    monkeypatch.setattr(restamp.subprocess, "run", lambda *_, **__: None)

    def samples(then: tuple, now: tuple) -> str:
        answers = iter((then, now))
        monkeypatch.setattr(restamp, "sample", lambda *_: next(answers))
        return restamp.restamp("toy/run", 1.0)

    samples.read = lambda: json.loads(path.read_text())
    return samples


def test_equal_runs_renew_the_stamp_and_say_how_many(record):
    said = record(("then", ["[1.5]", "[2.5]"]), ("now", ["[1.5]"]))
    assert "1 runs equal to the bit with c0ffee's code" in said
    assert record.read() == {
        "code": "now",
        "data": [1.5],
        "equal_to": {"commit": "c0ffee", "runs": 1},
    }


@pytest.mark.parametrize(
    "then, now, why",
    [
        (("then", ["[1.5]"]), ("now", ["[1.5000001]"]), "1 of 1 runs differ"),
        (("then", ["[1.5]", "[2]"]), ("now", ["[1.5]", "[3]"]), "1 of 2 runs differ"),
        (("then", []), ("now", []), "no figures run by run"),
        (("other", ["[1.5]"]), ("now", ["[1.5]"]), "isn't the code that recorded it"),
    ],
)
def test_what_differs_is_not_stamped(record, then, now, why):
    said = record(then, now)
    assert why in said and "course experiment toy/run" in said
    assert record.read()["code"] == "then"


def test_times_do_not_count():
    assert restamp.without_times({"b": [{"core_seconds": 3, "loss": 1}], "a": 2}) == {
        "a": 2,
        "b": [{"loss": 1}],
    }
