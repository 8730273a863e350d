"""Control groups, on a folder that stands for the kernel's."""

import subprocess

from course_lib.grading.sandbox import cgroups
from course_lib.grading.sandbox.bubblewrap import Limits


def test_a_group_has_the_limits_and_takes_the_process_in(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids")
    folder = cgroups.make(Limits(resident=1 << 30, processes=16), tmp_path)
    assert (folder / "memory.max").read_text() == str(1 << 30)
    assert (folder / "pids.max").read_text() == "24"
    line = cgroups.joined(folder, ["sh", "-c", "echo $$"])
    pid = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    assert (folder / "cgroup.procs").read_text() == pid


def test_where_there_are_none_the_command_stays_as_it_is(tmp_path):
    assert cgroups.make(Limits(), tmp_path) is None
    (tmp_path / "cgroup.controllers").write_text("")
    tmp_path.chmod(0o755)
    (tmp_path / "file").write_text("")
    assert cgroups.make(Limits(), tmp_path / "file") is None
    assert cgroups.joined(None, ["true"]) == ["true"]
    cgroups.remove(None)


def test_an_empty_group_is_taken_away(tmp_path):
    folder = tmp_path / "group"
    folder.mkdir()
    cgroups.remove(folder)
    assert not folder.exists()
