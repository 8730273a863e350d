"""Archives: an honest one is read, a hostile one is refused by the name of its entry."""

import io
import stat
import tarfile
import zipfile

import pytest

from course_lib.grading.intake.archive import MAX_FILES, BadArchive, read_archive


def zipped(*entries, compression=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(*infos, mode="w:gz"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for info, data in infos:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def entry(name, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def zip_link(name, target):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, target


HONEST = {"ada/rope.ipynb": b"{}", "ada/notes.txt": b"a \xff byte"}


@pytest.mark.parametrize(
    "data",
    [
        zipped(*HONEST.items()),
        zipped(("ada/", b""), *HONEST.items()),
        tarred(*((entry(name), data) for name, data in HONEST.items())),
        tarred(*((entry(name), data) for name, data in HONEST.items()), mode="w:xz"),
    ],
    ids=["zip", "zip with a folder", "tar.gz", "tar.xz"],
)
def test_honest_archives_are_read(data):
    assert read_archive(data) == HONEST


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (zipped(("../out.py", b"")), "'../out.py' leads out"),
        (zipped(("a/../../out.py", b"")), "leads out"),
        (zipped(("a\\..\\out.py", b"")), "leads out"),
        (zipped(("/etc/cron", b"")), "'/etc/cron' is an absolute path"),
        (zipped(("C:/autoexec", b"")), "absolute"),
        (zipped(("a.py", b"1"), ("a.py", b"2")), "'a.py' occurs twice"),
        (zipped(("a.py", b"1"), ("./a.py", b"2")), "'./a.py' occurs twice"),
        (zipped(zip_link("secrets", "/etc/shadow")), "'secrets' is a symbolic link"),
        (zipped(("bomb", bytes(8 << 20))), r"'bomb' expands \d+ times"),
        (zipped(*((f"{i}", b"") for i in range(MAX_FILES + 1))), "at most 2,000"),
        (tarred((entry("s", tarfile.SYMTYPE, "/etc/shadow"), b"")), "'s' is a link"),
        (tarred((entry("h", tarfile.LNKTYPE, "a"), b"")), "'h' is a link"),
        (tarred((entry("d", tarfile.CHRTYPE), b"")), "'d' is a device"),
        (tarred((entry("p", tarfile.FIFOTYPE), b"")), "'p' is a device"),
        (tarred((entry("../x"), b"")), "leads out"),
        (tarred((entry("bomb"), bytes(16 << 20))), "'bomb' expands"),
        (b"neither", "neither a zip nor a tar"),
        (zipped(*HONEST.items())[:60], "neither a zip nor a tar"),
    ],
)
def test_hostile_archives_are_refused_by_name(data, said):
    with pytest.raises(BadArchive, match=said):
        read_archive(data)


def test_a_lie_about_the_size_is_not_believed(monkeypatch):
    monkeypatch.setattr("course_lib.grading.intake.archive.MAX_FILE", 100)
    data = bytearray(zipped(("a", bytes(1000)), compression=zipfile.ZIP_STORED))
    size = (1000).to_bytes(4, "little")
    at = data.rindex(size)  # the central directory's uncompressed size
    data[at : at + 4] = (10).to_bytes(4, "little")
    with pytest.raises(BadArchive):
        read_archive(bytes(data))
