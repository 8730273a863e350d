"""The check of the atomic save passes right answers, in any style, and names each wrong one."""

import pytest

from course_lib.checks.pretraining import _atomic_save as check


def with_another_name(disk, content):
    ok = False
    try:
        disk.write("new.tmp", content)
        disk.sync("new.tmp")
        ok = True
    finally:
        if not ok:
            disk.remove("new.tmp")
    if "checkpoint.partial" in disk.names():
        disk.remove("checkpoint.partial")
    disk.rename("new.tmp", "checkpoint")


def clears_up_first(disk, content):
    for name in disk.names():
        if name != "checkpoint":
            disk.remove(name)
    check.atomic_save_reference(disk, content)


@pytest.mark.parametrize("answer", [with_another_name, clears_up_first])
def test_right_answers_pass(answer):
    assert check.atomic_save(answer).passed


@pytest.mark.parametrize("sentence", check.ATOMIC_SAVE_MISTAKES)
def test_every_mistake_is_named(sentence):
    report = check.atomic_save(check.ATOMIC_SAVE_MISTAKES[sentence])
    assert not report.passed and report.mistake == sentence


def test_doing_nothing_fails():
    assert not check.atomic_save(lambda disk, content: None).passed


def test_the_disk_by_hand():
    disk = check.Disk(capacity=31)
    with pytest.raises(OSError, match="No space left"):
        disk.write("b", b"12345678")  # 24 bytes are taken by the old state
    assert disk.read("b") == b"1234567"
    assert disk.past[-1] == {"checkpoint": check.OLD, "b": b""}
    disk.sync("b")
    disk.rename("b", "checkpoint")
    assert disk.past[-1] == {"checkpoint": b"1234567"} and disk.names() == ["checkpoint"]
    with pytest.raises(FileNotFoundError, match="no file 'b'"):
        disk.remove("b")
