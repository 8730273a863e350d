"""The disk of the exercise on the save that survives, by hand."""

import pytest

from course_lib.checks.pretraining._atomic_save import Disk


def test_the_disk_by_hand():
    disk = Disk(capacity=31)
    with pytest.raises(OSError, match="No space left"):
        disk.write("b", b"12345678")  # 24 bytes are taken by the old state
    assert disk.read("b") == b"1234567"
    assert disk.past[-1] == {"checkpoint": b"the old state of the run", "b": b""}
    disk.sync("b")
    disk.rename("b", "checkpoint")
    assert disk.past[-1] == {"checkpoint": b"1234567"} and disk.names() == ["checkpoint"]
    with pytest.raises(FileNotFoundError, match="no file 'b'"):
        disk.remove("b")
