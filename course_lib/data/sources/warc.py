"""WARC files (ISO 28500), the format in which web crawls are kept: a reader that survives them.

A record is a version line, named fields, an empty line, a block of Content-Length bytes and two
line ends. A `response` block is what the server sent: an HTTP status line, its headers, and the
page. A `conversion` block (Common Crawl's WET files) is text made from a page.

Deviations: content that is still chunked or compressed with anything but gzip is refused, since
crawlers store pages unpacked; continuation lines of headers are not joined.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from course_lib.data.extraction.encodings import Decoded, decode
from course_lib.data.sources.streams import Stream

VERSIONS = (b"WARC/1.0", b"WARC/1.1")
MAX_HEADER = 1 << 16
HTML = ("text/html", "application/xhtml+xml")
READABLE = (*HTML, "text/plain", "text/markdown")
# What WHATWG, "MIME Sniffing", section 7.1, takes for a page where a server names no type; and how
# files begin that are none, whatever the server says: PDF, pictures, archives.
PAGE = re.compile(
    rb"\s*<(?:!--|(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body"
    rb"|br|p)[\s>])",
    re.IGNORECASE,
)
FILES = {
    b"%PDF-": "PDF",
    b"\x89PNG": "PNG",
    b"GIF8": "GIF",
    b"\xff\xd8\xff": "JPEG",
    b"PK\x03\x04": "zip",
    b"\x1f\x8b": "gzip",
}


@dataclass(frozen=True)
class WarcFault:
    """Why a WARC record can't be used."""

    reason: str
    detail: str = ""


@dataclass(frozen=True)
class WarcRecord:
    """One record. `payload` is the page itself; `headers` are those of HTTP, keys in small."""

    type: str
    id: str
    url: str
    date: str
    payload: bytes
    mime: str = ""
    charset: str = ""  # as the server declared it
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @cached_property
    def decoded(self) -> Decoded:
        """The payload as text, and how its encoding was found."""
        return decode(self.payload, self.charset, html=self.kind == "html")

    @property
    def kind(self) -> str:
        return "html" if self.mime in HTML or not self.mime else "text"

    @property
    def no_page(self) -> str:
        """Why this is no document, or "": a server's error, or what isn't text for readers.

        Crawls hold what servers sent: pictures, style sheets, PDF, and pages that say "not found".
        Where no type was sent, the payload's first bytes must be those of a page; and a file's own
        first bytes are believed more than the server.
        """
        if self.type == "response" and self.status != 200:
            return f"HTTP status {self.status}"
        for begin, name in FILES.items():
            if self.mime in READABLE and self.payload.startswith(begin):
                return f"no page: {name}, sent as {self.mime}"
        if self.mime in READABLE or (not self.mime and PAGE.match(self.payload)):
            return ""
        return f"no page: {self.mime or 'of no type'}"


def read_warc(
    path: str | Path, cap: int = 8 << 30, max_block: int = 16 << 20
) -> Iterator[WarcRecord | WarcFault]:
    """The records of a WARC file, gzipped or not, in order; a broken one as its fault.

    Behind a header that can't be read, reading goes on at the next line that begins with `WARC/1`.
    """
    stream = Stream(Path(path), cap)
    while stream.peek(1):
        while stream.peek(2) == b"\r\n":
            stream.take(2)
        if not stream.peek(1):
            break
        item = _record(stream, max_block)
        if isinstance(item, WarcRecord) or stream.peek(1) or not stream.fault:
            yield item  # else the stream's own fault broke it, and stands for it below
    if stream.fault:
        yield WarcFault(stream.fault.reason, stream.fault.detail)


def _record(stream: Stream, max_block: int) -> WarcRecord | WarcFault:
    fields = _header(stream)
    if isinstance(fields, WarcFault):
        _to_next_record(stream)
        return fields
    size = fields.get("content-length", "")
    if not (size.isascii() and size.isdigit() and len(size) < 16):
        _to_next_record(stream)
        return WarcFault("broken WARC header", f"Content-Length: {size!r}"[:80])
    if int(size) > max_block:
        stream.skip(int(size))
        return WarcFault("document too long", f"{int(size):,} bytes")
    block = stream.take(int(size))
    if len(block) < int(size):
        return WarcFault("truncated WARC record", f"{len(block):,} of {int(size):,} bytes")
    return _made(fields, block)


def _header(stream: Stream) -> dict[str, str] | WarcFault:
    version, _ = stream.line(MAX_HEADER) or (b"", True)
    if version.strip() not in VERSIONS:
        return WarcFault("broken WARC header", f"it begins with {version[:40]!r}")
    lines = []
    while (found := stream.line(MAX_HEADER)) and found[0].strip():
        lines.append(found[0])
        if sum(map(len, lines)) > MAX_HEADER:
            return WarcFault("broken WARC header", f"more than {MAX_HEADER:,} bytes")
    return _fields(lines)


def _fields(lines: list[bytes]) -> dict[str, str]:
    """Named fields, keys in small letters; of a repeated one the first counts."""
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.decode("utf-8", "replace").partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), value.strip())
    return fields


def _to_next_record(stream: Stream) -> None:
    while stream.peek(6) != b"WARC/1" and stream.line(MAX_HEADER):
        pass


def _made(fields: dict[str, str], block: bytes) -> WarcRecord | WarcFault:
    named = {
        "type": "warc-type",
        "id": "warc-record-id",
        "url": "warc-target-uri",
        "date": "warc-date",
    }
    known = {name: fields.get(key, "").strip("<>") for name, key in named.items()}
    mime, charset = _content_type(fields.get("content-type", ""))
    if mime != "application/http":
        return WarcRecord(**known, payload=block, mime=mime, charset=charset)
    head, blank, body = block.partition(b"\r\n\r\n")
    if not blank:
        return WarcFault("broken HTTP header", "no empty line ends it")
    status, *lines = head.split(b"\r\n")
    headers = _fields(lines)
    body = _unpacked(body, headers)
    if isinstance(body, WarcFault):
        return body
    mime, charset = _content_type(headers.get("content-type", ""))
    code = status.split(b" ")[1:2]
    return WarcRecord(
        **known,
        payload=body,
        mime=mime,
        charset=charset,
        headers=headers,
        status=int(code[0]) if code and code[0].isdigit() and len(code[0]) == 3 else None,
    )


def _content_type(value: str) -> tuple[str, str]:
    """`text/html; charset="utf-8"` as its two parts, in small letters."""
    mime, *parameters = value.lower().split(";")
    named = dict(part.strip().partition("=")[::2] for part in parameters)
    return mime.strip(), named.get("charset", "").strip("\"' ")


def _unpacked(body: bytes, headers: dict[str, str]) -> bytes | WarcFault:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return WarcFault("chunked transfer", "stored as it was sent")
    encoding = headers.get("content-encoding", "").lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        return WarcFault("content encoding", encoding[:40])
    limit = 16 << 20
    member = zlib.decompressobj(wbits=31)
    try:
        page = member.decompress(body, limit + 1)
    except zlib.error as error:
        return WarcFault("damaged gzip", str(error))
    if not member.eof and len(page) <= limit:
        return WarcFault("truncated gzip", "the page's own compression is cut off")
    if len(page) > limit:
        return WarcFault("document too long", f"more than {limit:,} bytes unpacked")
    return page
