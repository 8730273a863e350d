"""`course doctor` says what is wrong and what mends it."""

import sys
from importlib.metadata import version

from course_lib.cli import doctor


def test_every_fault_comes_with_a_remedy():
    findings = doctor.examine()
    assert {"Python", "versions", "cores", "disk", "bfloat16", "GPU"} <= {f.what for f in findings}
    assert all(f.found for f in findings)
    assert all(f.ok or f.remedy for f in findings)


def test_a_version_that_differs_from_the_lock_is_named(tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"# a comment\nnumpy==0.0.1\nrich=={version('rich')}\nno-such-package==2.0\n")
    finding = doctor.locked_versions(lock)
    assert not finding.ok
    assert finding.found == f"numpy {version('numpy')}, not 0.0.1; no-such-package missing, not 2.0"
    assert finding.remedy.endswith(f"pip install -r {lock}")


def test_a_build_of_the_locked_version_and_other_pythons_pins_are_fine(tmp_path):
    lock = tmp_path / "requirements.lock"
    torch = version("torch").split("+")[0]
    lock.write_text(f'torch=={torch}\nnumpy==0.0.1 ; python_version < "3.0"\n')
    assert doctor.locked_versions(lock) == doctor.Finding(
        "versions", "all 1 as in requirements.lock"
    )


def test_an_old_python_and_a_full_disk_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    assert not doctor.python().ok and "PYTHON=" in doctor.python().remedy
    monkeypatch.setattr(doctor, "DISK_GB", 1e9)
    assert "COURSE_HOME" in doctor.disk(tmp_path / "not" / "yet").remedy
