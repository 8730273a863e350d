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
from collections.abc import Iterable
from dataclasses import dataclass

MAX_FILES = 2_000
MAX_FILE = 20 << 20
MAX_TOTAL = 200 << 20
CLASS_FILES, CLASS_TOTAL = 20_000, 1 << 30  # of a whole class: 300 students, 7 files of 400 kB
# What Python's own readers raise at bytes that are no archive, or one that was cut or altered.
DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, tarfile.TarError, struct.error),
    *(RuntimeError, NotImplementedError, EOFError, OSError, ValueError, LookupError, OverflowError),
)
MAX_RATIO = 200  # a notebook compresses ten times; a bomb, a thousand times


class BadArchive(ValueError):
    """An archive that will not be unpacked. The message names the entry."""


@dataclass(frozen=True)
class _Entry:
    name: str
    size: int
    packed: int | None
    kind: str  # "file", "folder" or what else it is


def read_archive(data: bytes, skipped: dict[str, str] | None = None) -> dict[str, bytes]:
    """The files of a zip or tar (plain, gzip, bzip2, xz) by their path inside it.

    Raises BadArchive, naming the entry, for links, devices, absolute paths, "..", two entries of
    one name, encrypted entries, and for sizes beyond the limits, announced or real.

    skipped: given for the zip of a whole class, where one student's bad entry must not stop the
    others. A link, a device, and what is encrypted or too large, is then left out and noted here:
    its name -> why.
    """
    try:
        if zipfile.is_zipfile(io.BytesIO(data)):
            return _read_zip(data, skipped)
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            return _read_tar(archive, len(data))
    except BadArchive:
        raise
    except DAMAGE as error:
        raise BadArchive(f"neither a zip nor a tar that can be read: {error}") from error


def _read_zip(data: bytes, skipped: dict[str, str] | None) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        _check((_zip_entry(info) for info in infos), skipped)
        files = {}
        for info in infos:
            if info.is_dir() or info.filename in (skipped or ()):
                continue
            try:
                files[_plain(info.filename)] = _read(archive.open(info), info.filename)
            except DAMAGE as error:
                if skipped is None:
                    raise
                skipped[info.filename] = f"it can't be read: {error}"
        return files


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


def _read_tar(archive: tarfile.TarFile, packed: int) -> dict[str, bytes]:
    infos = []
    for info in archive:  # one by one: a bomb is refused before its last header was read
        infos.append(info)
        _check([_tar_entry(i) for i in infos[-1:]])
        _check_total(sum(i.size for i in infos), packed, info.name)
    _check(map(_tar_entry, infos))
    return {
        _plain(info.name): _read(archive.extractfile(info), info.name)
        for info in infos
        if info.isfile()
    }


def _tar_entry(info: tarfile.TarInfo) -> _Entry:
    kind = "file" if info.isreg() and not info.issparse() else "folder" if info.isdir() else ""
    if info.issym() or info.islnk():
        kind = "a link"
    return _Entry(info.name, info.size, None, kind or "a device, pipe or sparse file")


def _check(entries: Iterable[_Entry], skipped: dict[str, str] | None = None) -> None:
    """Refuse what an honest archive never holds, or skip it."""
    files, most = (MAX_FILES, MAX_TOTAL) if skipped is None else (CLASS_FILES, CLASS_TOTAL)
    seen: set[str] = set()
    total = 0
    for entry in entries:
        if fault := _fault(entry):
            if skipped is None:
                raise BadArchive(f"{entry.name!r} {fault}")
            skipped[entry.name] = f"it {fault}"
            continue
        name = _plain(entry.name)
        if name in seen and entry.kind == "file":
            raise BadArchive(f"{entry.name!r} occurs twice")
        seen.add(name)
        total += entry.size
        if len(seen) > files:
            raise BadArchive(f"{entry.name!r} is entry {len(seen)}: at most {files:,} are read")
        _check_total(total, None, entry.name, most)


def _fault(entry: _Entry) -> str:
    """What is wrong with one entry, in words; "" where nothing is."""
    try:
        _plain(entry.name)
    except BadArchive as error:
        return str(error).removeprefix(repr(entry.name)).strip()
    if entry.kind not in ("file", "folder"):
        return f"is {entry.kind}: only files and folders are taken"
    if entry.size > MAX_FILE:
        return f"has {entry.size:,} bytes: at most {MAX_FILE:,}"
    packed = entry.packed and max(entry.packed, 1)
    if packed and entry.size > 1 << 20 and entry.size / packed > MAX_RATIO:
        return f"expands {entry.size / packed:.0f} times: at most {MAX_RATIO}"
    return ""


def _check_total(total: int, packed: int | None, name: str, most: int = MAX_TOTAL) -> None:
    if total > most:
        raise BadArchive(f"{name!r} brings the whole over {most:,} bytes")
    if packed and total > 1 << 20 and total / packed > MAX_RATIO:
        raise BadArchive(f"{name!r} expands {total / packed:.0f} times: at most {MAX_RATIO}")


def _plain(name: str) -> str:
    """The entry's path with single slashes. Raises BadArchive for paths that lead outside."""
    path = name.replace("\\", "/")
    if path.startswith("/") or re.match(r"[A-Za-z]:(/|$)", path) or "\0" in path:
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
