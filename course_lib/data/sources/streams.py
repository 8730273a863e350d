"""Bytes of a file, plain or gzipped, in small pieces: never more in memory than was asked for.

A stream that can't go on (a gzip file cut off or damaged, more bytes than the cap allows) hands
over what came before the fault and then remembers it in `fault`. It raises nothing: one bad file
must not stop a reader of a million.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHUNK = 1 << 16
GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True)
class Fault:
    """Why nothing more came from a file."""

    reason: str
    detail: str


class Stream:
    """A file's bytes after decompression, by lines or by numbers of bytes.

    Gzip is known by its first two bytes, not by the file's name, and may have many members one
    after the other, as WARC files do. `cap`: bytes after decompression at which reading stops; 1 kB
    of gzip can hold 1 MB, so the size on disk says nothing.
    """

    def __init__(self, path: Path, cap: int):
        if cap < 1:
            raise ValueError(f"cap={cap}: give the bytes that a file may have, at least 1")
        self.fault: Fault | None = None
        self._pieces = self._capped(path, cap)
        self._buffer, self._at = b"", 0  # what was read, and how far it was handed out

    def line(self, limit: int) -> tuple[bytes, bool] | None:
        """The next line with its end, and whether it is whole; None at the end of the stream.

        A line above `limit` bytes is passed over in pieces: what comes back is its start, False.
        """
        start = None
        while (end := self._buffer.find(b"\n", self._at, self._at + limit + 1)) < 0:
            if self._left() > limit:
                start = self._buffer[self._at : self._at + 80] if start is None else start
                self._at += limit
            elif not self._more():
                end = len(self._buffer) - 1
                break
        piece, self._at = self._buffer[self._at : end + 1], end + 1
        if start is not None:
            return start, False
        return (piece, True) if piece else None

    def take(self, count: int) -> bytes:
        """The next `count` bytes, or fewer where the stream ends."""
        piece = self.peek(count)
        self._at += len(piece)
        return piece

    def peek(self, count: int) -> bytes:
        """The next `count` bytes without moving on."""
        while self._left() < count and self._more():
            pass
        return self._buffer[self._at : self._at + count]

    def skip(self, count: int) -> int:
        """Pass over `count` bytes in pieces; how many there were."""
        passed = 0
        while passed < count and (piece := self.take(min(CHUNK, count - passed))):
            passed += len(piece)
        return passed

    def _left(self) -> int:
        return len(self._buffer) - self._at

    def _more(self) -> bool:
        """Read on, by as much as is waiting already; False at the end.

        Piece by piece, a line of n bytes would be copied and searched n / CHUNK times.
        """
        parts, wanted = [self._buffer[self._at :]], max(1, self._left())
        while wanted > 0 and (piece := next(self._pieces, b"")):
            parts.append(piece)
            wanted -= len(piece)
        self._buffer, self._at = b"".join(parts), 0
        return len(parts) > 1

    def _capped(self, path: Path, cap: int) -> Iterator[bytes]:
        total = 0
        for piece in filter(None, self._decompressed(path)):
            if total + len(piece) > cap:
                # Before the yield: a reader that has what it asked for doesn't come back for more.
                self.fault = Fault("past the byte cap", f"more than {cap:,} bytes")
                if total < cap:
                    yield piece[: cap - total]
                return
            total += len(piece)
            yield piece

    def _decompressed(self, path: Path) -> Iterator[bytes]:
        with path.open("rb") as file:
            head = file.read(len(GZIP_MAGIC))
            file.seek(0)
            raw = iter(lambda: file.read(CHUNK), b"")
            if head != GZIP_MAGIC:
                yield from raw
                return
            yield from self._gunzip(raw)

    def _gunzip(self, raw: Iterator[bytes]) -> Iterator[bytes]:
        member = None  # None between members
        try:
            for data in raw:
                while data:
                    member = member or zlib.decompressobj(wbits=31)
                    yield member.decompress(data, CHUNK)
                    data = member.unconsumed_tail or member.unused_data
                    if member.eof:
                        data, member = data.lstrip(b"\x00"), None  # tapes pad with zeros
        except zlib.error as error:
            self.fault = Fault("damaged gzip", str(error))
            return
        while member is not None and (piece := member.flush(CHUNK)):
            yield piece
        if member is not None and not member.eof:
            self.fault = Fault("truncated gzip", "the file ends inside a gzip member")
