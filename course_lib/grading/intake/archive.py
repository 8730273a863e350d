"""Reading a submission's archive without trusting it: checked whole before a byte is unpacked."""

import io
import lzma
import posixpath
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

MAX_FILES = 2_000
MAX_FILE = 20 << 20
MAX_TOTAL = 200 << 20
CLASS_FILES = 100_000  # of a whole class
CLASS_TOTAL = 4 << 30
MAX_RATIO = 200  # a notebook compresses ten times; a bomb, a thousand times

DRIVE = re.compile(r"^[A-Za-z]:/")  # a Windows path; "A: B" is a name
# What the standard library raises for bytes that are not what their headers say.
DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,  # NotImplementedError as well
    ValueError,  # UnicodeError as well
    LookupError,
    OverflowError,
    MemoryError,
)


class BadArchive(ValueError):
    """An archive that will not be unpacked. The message names the entry."""


@dataclass(frozen=True)
class _Entry:
    name: str
    size: int
    packed: int | None
    kind: str  # "file", "folder" or what else it is


def read_archive(
    data: bytes, skipped: dict[str, str] | None = None, ends: tuple[str, ...] = ()
) -> dict[str, bytes]:
    """The files of a zip or tar (plain, gzip, bzip2, xz) by their path inside it. See `unpack`."""
    files: dict[str, bytes] = {}
    unpack(data, files.__setitem__, skipped, ends)
    return files


def unpack(
    source: bytes | Path,
    keep: Callable[[str, bytes], object],
    skipped: dict[str, str] | None = None,
    ends: tuple[str, ...] = (),
) -> None:
    """Hand each file of a zip or tar to keep(its path inside, its bytes), one at a time.

    Raises BadArchive, naming the entry, for links, devices, absolute paths, "..", two entries of
    one name, encrypted or damaged entries, and for sizes beyond the limits, announced or real.

    skipped: given for the zip of a whole class, where one student's bad entry must not stop the
    others. Whatever is wrong with an entry, it alone is left out and noted here: its name -> why.
    The limits are then those of a class. ends: how the names end that are wanted (all, if none).
    """
    try:
        with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as file:
            size = file.seek(0, io.SEEK_END)
            if zipfile.is_zipfile(file):
                with zipfile.ZipFile(file) as archive:
                    entries = (
                        (_zip_entry(i), partial(_zip_bytes, archive, i)) for i in archive.infolist()
                    )
                    return _take(entries, keep, skipped, ends, None)
            file.seek(0)
            with tarfile.open(fileobj=file) as archive:
                # One by one: a bomb is refused before its last header was read.
                found = ((_tar_entry(i), partial(_tar_bytes, archive, i)) for i in archive)
                return _take(found, keep, skipped, ends, size)
    except DAMAGE as error:
        if isinstance(error, BadArchive):
            raise
        said = f"{type(error).__name__}: {error}"
        raise BadArchive(f"neither a zip nor a tar that can be read: {said}") from error


def _take(
    entries: Iterable[tuple[_Entry, Callable[[], bytes]]],
    keep: Callable[[str, bytes], object],
    skipped: dict[str, str] | None,
    ends: tuple[str, ...],
    packed: int | None,
) -> None:
    """Read what an honest archive may hold; refuse the rest, or skip it."""
    whole = skipped is not None
    tally = _Tally(CLASS_FILES if whole else MAX_FILES, CLASS_TOTAL if whole else MAX_TOTAL)
    reads: list[tuple[str, str, Callable[[], bytes]]] = []
    for entry, read in entries:
        if ends and entry.kind == "file" and not entry.name.lower().endswith(ends):
            continue
        try:
            name = tally.add(entry, packed)
        except BadArchive as error:
            if skipped is None:
                raise
            skipped[entry.name] = str(error)
            continue
        if entry.kind == "file":
            reads.append((name, entry.name, read))
    for name, entry_name, read in reads:
        try:
            data = read()
        except DAMAGE as error:
            said = f"it is damaged: {type(error).__name__}: {error}"
            if skipped is None:
                raise BadArchive(f"{entry_name!r}: {said}") from error
            skipped[entry_name] = said
        else:
            keep(name, data)


@dataclass
class _Tally:
    """What an archive holds so far, against what it may hold."""

    max_files: int
    max_total: int
    total: int = 0
    seen: set[str] = field(default_factory=set)

    def add(self, entry: _Entry, packed: int | None) -> str:
        """The entry's plain path. Raises BadArchive for what an honest archive never holds."""
        if fault := _fault(entry):
            raise BadArchive(f"{entry.name!r} {fault}")
        name = _plain(entry.name)
        if name in self.seen and entry.kind == "file":
            raise BadArchive(f"{entry.name!r} occurs twice")
        if len(self.seen) >= self.max_files:
            count = len(self.seen) + 1
            raise BadArchive(
                f"{entry.name!r} is entry {count}: at most {self.max_files:,} are read"
            )
        total = self.total + entry.size
        if total > self.max_total:
            raise BadArchive(f"{entry.name!r} brings the whole over {self.max_total:,} bytes")
        if packed and total > 1 << 20 and total / packed > MAX_RATIO:
            times = total / packed
            raise BadArchive(f"{entry.name!r} expands {times:.0f} times: at most {MAX_RATIO}")
        self.total = total
        self.seen.add(name)
        return name


def _zip_bytes(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as stream:
        return _read(stream, info.filename)


def _tar_bytes(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(info)
    data = b"" if stream is None else _read(stream, info.name)
    if len(data) != info.size:
        raise EOFError(f"{len(data):,} of {info.size:,} bytes")
    return data


def _zip_entry(info: zipfile.ZipInfo) -> _Entry:
    mode = info.external_attr >> 16
    kind = "folder" if info.is_dir() else "file"
    if mode and stat.S_ISLNK(mode):
        kind = "a symbolic link"
    elif mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        kind = "a device or pipe"
    if info.flag_bits & 1:
        kind = "encrypted"
    return _Entry(info.filename, info.file_size, info.compress_size, kind)


def _tar_entry(info: tarfile.TarInfo) -> _Entry:
    kind = "file" if info.isreg() and not info.issparse() else "folder" if info.isdir() else ""
    if info.issym() or info.islnk():
        kind = "a link"
    return _Entry(info.name, info.size, None, kind or "a device, pipe or sparse file")


def _fault(entry: _Entry) -> str:
    """What is wrong with one entry, in words; "" where nothing is."""
    if entry.kind not in ("file", "folder"):
        return f"is {entry.kind}: only files and folders are taken"
    if entry.size > MAX_FILE:
        return f"has {entry.size:,} bytes: at most {MAX_FILE:,}"
    packed = entry.packed and max(entry.packed, 1)
    if packed and entry.size > 1 << 20 and entry.size / packed > MAX_RATIO:
        return f"expands {entry.size / packed:.0f} times: at most {MAX_RATIO}"
    return ""


def _plain(name: str) -> str:
    """The entry's path with single slashes. Raises BadArchive for paths that lead outside."""
    path = name.replace("\\", "/")
    if path.startswith("/") or DRIVE.match(path) or "\0" in path:
        raise BadArchive(f"{name!r} is an absolute path")
    if ".." in path.split("/"):
        raise BadArchive(f"{name!r} leads out of the archive")
    return posixpath.normpath(path)


def _read(stream: io.BufferedIOBase, name: str) -> bytes:
    """The entry's bytes; the announced size is not believed."""
    data = stream.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise BadArchive(f"{name!r} holds more than {MAX_FILE:,} bytes")
    return data
