"""Archives: an honest one is read, a hostile one is refused by the name of its entry."""

import gzip
import io
import lzma
import stat
import tarfile
import warnings
import zipfile

import pytest

from course_lib.grading.intake.archive import MAX_FILES, BadArchive, read_archive


def zipped(*entries, compression=zipfile.ZIP_DEFLATED):
    """A zip of (name or ZipInfo, bytes). Without a date of their own, entries are of 1980."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(buffer, "w") as archive:
        for name, data in entries:
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            archive.writestr(info, data, compression)
    return buffer.getvalue()


def gzipped(data):
    """Without the present second, which gzip would put into its header."""
    return gzip.compress(data, mtime=0)


def tarred(*infos, pack=gzipped):
    """A tar of (TarInfo, bytes), packed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info, data in infos:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return pack(buffer.getvalue())


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
        tarred(*((entry(name), data) for name, data in HONEST.items()), pack=lzma.compress),
    ],
    ids=["zip", "zip with a folder", "tar.gz", "tar.xz"],
)
def test_honest_archives_are_read(data):
    assert read_archive(data) == HONEST


HOSTILE = {
    "a zip's path up": (zipped(("../out.py", b"")), "'../out.py' leads out"),
    "a zip's path down and up": (zipped(("a/../../out.py", b"")), "leads out"),
    "a zip's path with backslashes": (zipped(("a\\..\\out.py", b"")), "leads out"),
    "a zip's absolute path": (zipped(("/etc/cron", b"")), "'/etc/cron' is an absolute path"),
    "a zip's drive letter": (zipped(("C:/autoexec", b"")), "absolute"),
    "a zip's name twice": (zipped(("a.py", b"1"), ("a.py", b"2")), "'a.py' occurs twice"),
    "a zip's name twice, spelled apart": (
        zipped(("a.py", b"1"), ("./a.py", b"2")),
        "'./a.py' occurs twice",
    ),
    "a zip's link": (zipped(zip_link("secrets", "/etc/shadow")), "'secrets' is a symbolic link"),
    "a zip bomb": (zipped(("bomb", bytes(8 << 20))), r"'bomb' expands \d+ times"),
    "a zip of many files": (
        zipped(*((f"{i}", b"") for i in range(MAX_FILES + 1))),
        "at most 2,000",
    ),
    "a tar's symbolic link": (
        tarred((entry("s", tarfile.SYMTYPE, "/etc/shadow"), b"")),
        "'s' is a link",
    ),
    "a tar's hard link": (tarred((entry("h", tarfile.LNKTYPE, "a"), b"")), "'h' is a link"),
    "a tar's device": (tarred((entry("d", tarfile.CHRTYPE), b"")), "'d' is a device"),
    "a tar's pipe": (tarred((entry("p", tarfile.FIFOTYPE), b"")), "'p' is a device"),
    "a tar's path up": (tarred((entry("../x"), b"")), "leads out"),
    "a tar bomb": (tarred((entry("bomb"), bytes(16 << 20))), "'bomb' expands"),
    "no archive": (b"neither", "neither a zip nor a tar"),
    "half an archive": (zipped(*HONEST.items())[:60], "neither a zip nor a tar"),
}


@pytest.mark.parametrize(("data", "said"), HOSTILE.values(), ids=HOSTILE)
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
