"""Files to records: JSON lines, Parquet, plain text and WARC, gzipped or not, without a crash.

What a file holds is not ours to trust. Whatever is wrong with a record, only that record is lost,
with its file, its place in it and a reason; and the counts of what was kept and what was refused
add up to what was there.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from course_lib.data.extraction.encodings import MARKS
from course_lib.data.records import Record
from course_lib.data.sources.streams import Stream
from course_lib.data.sources.unsafe_text import flaw_of
from course_lib.data.sources.warc import WarcFault, read_warc

SUFFIXES = {
    ".jsonl": "jsonl",
    ".json": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".txt": "text",
    ".md": "text",
    ".warc": "warc",
    ".wet": "warc",
}


@dataclass(frozen=True, kw_only=True)
class ReadConfig:
    """Which columns hold what, and how much is read before a file or a document is too large."""

    text: str = "text"
    id: str = "id"
    source: str = ""  # "" takes the file's name
    licence: str = "unknown"
    max_file_bytes: int = 8 << 30  # after decompression
    max_document_bytes: int = 16 << 20
    warc_types: tuple[str, ...] = ("response", "conversion")  # pages, and text made from pages

    def __post_init__(self):
        for name in ("max_file_bytes", "max_document_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: give at least 1 byte")


@dataclass(frozen=True)
class Refused:
    """A record that could not be used. `place` counts lines, rows or WARC records from 1."""

    file: str
    place: int
    reason: str
    detail: str = ""


@dataclass
class Account:
    """What a reader kept and what it refused; `kept + sum(refused.values())` is what was there.

    A fault of the whole file (a truncated gzip, the byte cap) counts once, at the place where
    reading stopped: nobody knows how many records lay behind it. `log` holds the first `log_size`
    refusals of each reason, the counts are exact.
    """

    kept: int = 0
    refused: Counter = field(default_factory=Counter)
    log: list[Refused] = field(default_factory=list)
    log_size: int = 1000

    @property
    def seen(self) -> int:
        return self.kept + self.refused.total()

    def add(self, item: Record | Refused) -> None:
        if isinstance(item, Record):
            self.kept += 1
            return
        self.refused[item.reason] += 1
        if self.refused[item.reason] <= self.log_size:
            self.log.append(item)

    def rows(self) -> list[dict]:
        """A row for each reason, with where it was first met."""
        first = {item.reason: item for item in reversed(self.log)}
        kept = {"outcome": "kept", "records": self.kept, "first": "", "detail": ""}
        return [
            kept,
            *(
                {
                    "outcome": reason,
                    "records": count,
                    "first": f"{first[reason].file}:{first[reason].place}",
                    "detail": first[reason].detail,
                }
                for reason, count in self.refused.most_common()
            ),
        ]


def read(
    files: Iterable[str | Path] | str | Path,
    config: ReadConfig | None = None,
    account: Account | None = None,
) -> Iterator[Record]:
    """The usable records of some files, one at a time; `account` fills as you read.

    Raises ValueError for a name whose format isn't known and FileNotFoundError for a file that
    isn't there: those are mistakes of the caller, not of the data.
    """
    account = account if account is not None else Account()
    for item in scan(files, config):
        account.add(item)
        if isinstance(item, Record):
            yield item


def scan(
    files: Iterable[str | Path] | str | Path, config: ReadConfig | None = None
) -> Iterator[Record | Refused]:
    """Every record of some files in order: as a Record, or as the reason why it isn't one."""
    config = config or ReadConfig()
    paths = [Path(files)] if isinstance(files, str | Path) else [Path(file) for file in files]
    readers = [_READERS[format_of(path)] for path in paths]  # names are checked before any reading
    seen: set[bytes] = set()
    for path, reader in zip(paths, readers, strict=True):
        for item in reader(path, config):
            yield item if isinstance(item, Refused) else _once(item, seen)


def format_of(path: Path) -> str:
    """The format by the file's name, `.gz` aside."""
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if suffix.lower() not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise ValueError(
            f"{path.name}: its format isn't known by its name. Known are {known}, "
            "each also with .gz behind it"
        )
    return SUFFIXES[suffix.lower()]


@dataclass(frozen=True)
class _Found:
    """A record and where it stood, before its id is compared with the others'."""

    record: Record
    file: str
    place: int
    key: str  # the id with its type: 1 and "1" are two


def _once(found: _Found, seen: set[bytes]) -> Record | Refused:
    # 8 bytes an id instead of the id: among a billion, a false match has a chance of 3 %
    key = blake2b(found.key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    if key in seen:
        return Refused(found.file, found.place, "duplicate id", found.record.id[:80])
    seen.add(key)
    return found.record


def _made(
    path: Path, place: int, row: dict, text: object, config: ReadConfig, kind: str = ""
) -> _Found | Refused:
    """A record of a row whose text has been taken out, if the text can be used."""

    def refuse(reason: str, detail: str = "") -> Refused:
        return Refused(path.name, place, reason, detail)

    if text is None:
        return refuse("no text", f"no field {config.text!r} among {', '.join(list(row)[:8])}"[:120])
    if not isinstance(text, str):
        return refuse("text is no string", type(text).__name__)
    if len(text) > config.max_document_bytes:
        return refuse("document too long", f"{len(text):,} characters")
    if not text.strip():
        return refuse("empty text")
    given = row.get(config.id)
    usable = isinstance(given, str | int) and not isinstance(given, bool) and str(given).strip()
    name = str(given) if usable else f"{path.name}:{place}"
    if flaw := flaw_of(text) or flaw_of(name):
        return refuse(flaw.reason, flaw.detail)
    fields = {key: value for key, value in row.items() if key not in (config.text, config.id)}
    record = Record(name, text, config.source or path.name, config.licence, kind, fields=fields)
    key = repr(given) if usable else repr((str(path), place))
    return _Found(record, path.name, place, key)


def _jsonl(path: Path, config: ReadConfig) -> Iterator[_Found | Refused]:
    stream, place = Stream(path, config.max_file_bytes), 0
    while (line := stream.line(config.max_document_bytes)) is not None:
        place += 1
        data, whole = line
        if not data.endswith(b"\n") and not stream.peek(1) and stream.fault:
            break  # the line that the fault cut through: counted with it, below
        if not whole:
            yield Refused(
                path.name, place, "line too long", f"more than {config.max_document_bytes:,} bytes"
            )
            continue
        yield _json_line(path, place, data, config)
    else:
        place += 1
    if stream.fault:
        yield Refused(path.name, place, stream.fault.reason, stream.fault.detail)


def _json_line(path: Path, place: int, data: bytes, config: ReadConfig) -> _Found | Refused:
    if not data.strip():
        return Refused(path.name, place, "blank line")
    try:
        text = data.decode("utf-8-sig" if place == 1 else "utf-8")
    except UnicodeDecodeError as error:
        return Refused(path.name, place, "invalid UTF-8", f"{error.reason} at byte {error.start}")
    try:
        row = _JSON.decode(text)
    except RecursionError:
        return Refused(path.name, place, "malformed JSON", "nested too deeply")
    except ValueError as error:  # a JSONDecodeError, or a number of more digits than Python reads
        return Refused(path.name, place, "malformed JSON", str(error)[:120])
    if not isinstance(row, dict):
        return Refused(path.name, place, "no JSON object", type(row).__name__)
    return _made(path, place, row, row.get(config.text), config)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is Python's, not JSON's")


_JSON = json.JSONDecoder(parse_constant=_no_constant)


def _parquet(path: Path, config: ReadConfig) -> Iterator[_Found | Refused]:
    from course_lib.data.sources.parquet import rows  # pyarrow takes half a second to import

    for place, row in rows(path, config.max_file_bytes):
        if isinstance(row, tuple):
            yield Refused(path.name, place, *row)
        else:
            yield _made(path, place, row, row.get(config.text), config)


def _text(path: Path, config: ReadConfig) -> Iterator[_Found | Refused]:
    """One file, one document. An empty file holds none."""
    stream = Stream(path, config.max_file_bytes)
    data = stream.take(config.max_document_bytes + 1)
    if stream.fault:
        yield Refused(path.name, 1, stream.fault.reason, stream.fault.detail)
    elif len(data) > config.max_document_bytes:
        yield Refused(
            path.name, 1, "document too long", f"more than {config.max_document_bytes:,} bytes"
        )
    elif data:
        try:
            yield _made(path, 1, {}, _decoded(data), config)
        except UnicodeDecodeError as error:
            yield Refused(path.name, 1, "invalid UTF-8", f"{error.reason} at byte {error.start}")


def _decoded(data: bytes) -> str:
    """A text file as its byte-order mark says (Notepad's "Unicode" is UTF-16), else as UTF-8."""
    for mark, name in MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(name)
    return data.decode("utf-8")


def _warc(path: Path, config: ReadConfig) -> Iterator[_Found | Refused]:
    for place, item in enumerate(
        read_warc(path, config.max_file_bytes, config.max_document_bytes), start=1
    ):
        if isinstance(item, WarcFault):
            yield Refused(path.name, place, item.reason, item.detail)
        elif item.type not in config.warc_types:
            yield Refused(path.name, place, f"WARC type {item.type}"[:40], item.url[:80])
        elif why := item.no_page:
            yield Refused(path.name, place, why[:40], item.url[:80])
        else:
            row = {
                config.id: item.id,
                "url": item.url,
                "date": item.date,
                "mime": item.mime,
                "charset": item.decoded.charset,
            }
            yield _made(path, place, row, item.decoded.text, config, kind=item.kind)


_READERS = {"jsonl": _jsonl, "parquet": _parquet, "text": _text, "warc": _warc}
