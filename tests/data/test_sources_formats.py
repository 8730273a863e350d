"""Records out of files, and nothing but reasons out of broken ones."""

import gzip
import hashlib
import io
import json
import time
import zlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from course_lib.data.records import Record
from course_lib.data.sources.formats import Account, ReadConfig, read, scan
from course_lib.data.sources.streams import Stream
from course_lib.data.sources.unsafe_text import flaw_of

BAD_LINES = {  # what a line of JSON lines may be, and the reason for which it is refused
    b'{"text": "caf\xe9"}': "invalid UTF-8",
    b'{"text": "a\\u0000b"}': "NUL",
    b'{"text": "a\x00b"}': "malformed JSON",
    b'{"text": "\\ud83d"}': "lone surrogate",
    '{"text": "x \u202e y"}'.encode(): "bidi control",
    b'{"text": "cut off': "malformed JSON",
    b"{'text': 'quotes'}": "malformed JSON",
    b'{"text": NaN}': "malformed JSON",
    b"[" * 100_000: "malformed JSON",
    b'{"text": ' + b"1" * 5000 + b"}": "malformed JSON",
    b'["text"]': "no JSON object",
    b"null": "no JSON object",
    b'{"body": "x"}': "no text",
    b'{"text": null}': "no text",
    b'{"text": 7}': "text is no string",
    b'{"text": " \\n "}': "empty text",
    b'{"id": "first", "text": "again"}': "duplicate id",
    b'{"id": "\\udc00", "text": "x"}': "lone surrogate",
    b"   ": "blank line",
    b"": "blank line",
}
GOOD = b'{"id": "first", "text": "one", "lang": "en"}'


def test_each_bad_line_is_refused_with_its_place_and_reason_and_nothing_else_is(tmp_path):
    path = tmp_path / "mixed.jsonl"
    lines = [GOOD, *BAD_LINES, b'{"id": 2, "text": "last"}']
    path.write_bytes(b"\n".join(lines) + b"\n")
    account = Account()
    kept = list(read(path, account=account))
    assert [(r.id, r.text) for r in kept] == [("first", "one"), ("2", "last")]
    assert kept[0].fields == {"lang": "en"} and kept[0].source == "mixed.jsonl"
    found = [(item.file, item.place, item.reason) for item in account.log]
    assert found == [("mixed.jsonl", i, why) for i, why in enumerate(BAD_LINES.values(), 2)]
    assert account.seen == len(lines) and account.kept == 2
    assert sum(row["records"] for row in account.rows()) == len(lines)


def test_marks_of_right_to_left_text_and_joined_emoji_pass():
    assert flaw_of("שלום\u200f עולם \u200e! 👩\u200d🔬") is None
    assert flaw_of("a\u2067b").detail == "U+2067 at character 1"


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"\xef\xbb\xbf"], ids=["empty", "an empty line", "a byte order mark"]
)
def test_files_that_hold_nothing(tmp_path, data):
    for name in ("a.jsonl", "a.txt", "a.warc"):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "a.parquet").write_bytes(b"")
    assert not list(read([tmp_path / f"a.{end}" for end in ("jsonl", "parquet", "warc")]))
    assert not list(read(tmp_path / "a.txt"))


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD + b"\r\n" + b'{"text": "two"}')
    assert [r.id for r in read(path)] == ["first", "a.jsonl:2"]


def gz_lines(path, n, cut=0):
    texts = [f"document {i} " + hashlib.sha512(bytes(i)).hexdigest() for i in range(n)]
    lines = [json.dumps({"text": text}) for text in texts]
    data = gzip.compress("\n".join(lines).encode() + b"\n")
    path.write_bytes(data[: len(data) - cut] if cut else data)
    return path


def test_a_truncated_gzip_gives_what_came_before_the_cut(tmp_path):
    whole = [r.text for r in read(gz_lines(tmp_path / "a.jsonl.gz", 300))]
    account = Account()
    cut = [r.text for r in read(gz_lines(tmp_path / "b.jsonl.gz", 300, 9000), account=account)]
    assert len(whole) == 300 and 50 < len(cut) < 300
    assert cut == whole[: len(cut)]
    assert dict(account.refused) == {"truncated gzip": 1}
    assert account.log[0].place == len(cut) + 1


def test_a_damaged_gzip_and_one_of_several_members(tmp_path):
    path = gz_lines(tmp_path / "a.jsonl.gz", 300)
    path.write_bytes(path.read_bytes() + gzip.compress(b'{"text": "second member"}\n') + b"\0" * 64)
    assert [r.text for r in read(path)][-1] == "second member"
    data = bytearray(path.read_bytes())
    data[9000:9100] = b"\xff" * 100
    path.write_bytes(data)
    account = Account()
    assert len(list(read(path, account=account))) < 300
    assert account.refused["damaged gzip"] == 1


def test_a_gzip_bomb_stops_at_the_cap_in_little_memory(tmp_path):
    path = tmp_path / "bomb.jsonl.gz"
    with gzip.open(path, "wb") as file:
        file.write(GOOD + b"\n")
        for _ in range(50):
            file.write(b"\0" * (1 << 20))
    assert path.stat().st_size < 1 << 17
    account = Account()
    config = ReadConfig(max_file_bytes=4 << 20, max_document_bytes=1 << 20)
    assert [r.id for r in read(path, config, account)] == ["first"]
    assert dict(account.refused) == {"past the byte cap": 1}


def test_a_long_line_is_passed_over_and_the_next_one_read(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"x" * 3_000_000 + b"\n" + GOOD + b"\n" + b'{"text": "' + b"y" * 200_000)
    account = Account()
    config = ReadConfig(max_document_bytes=100_000)
    assert [r.id for r in read(path, config, account)] == ["first"]
    assert [(item.place, item.reason) for item in account.log] == [
        (1, "line too long"),
        (3, "line too long"),
    ]


def test_time_for_one_long_line_is_linear(tmp_path):
    def seconds(size):
        path = tmp_path / f"{size}.jsonl"
        path.write_bytes(json.dumps({"text": "x" * size}).encode())
        best = []
        for _ in range(3):
            start = time.process_time()
            assert len(next(read(path)).text) == size
            best.append(time.process_time() - start)
        return min(best)

    assert seconds(8_000_000) < 4 * 8 * max(seconds(1_000_000), 1e-3)  # quadratic would be 64 times


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40).filter(lambda b: b"\n" not in b),
            st.sampled_from(list(BAD_LINES)[:8]),
            st.text(max_size=20).map(lambda t: json.dumps({"text": t}).encode()),
        ),
        max_size=12,
    )
)
def test_any_bytes_as_json_lines_add_up(tmp_path, lines):
    path = tmp_path / "any.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    items = list(scan(path))
    assert len(items) == len(lines)
    for item in items:
        if isinstance(item, Record):
            item.text.encode("utf-8")
            assert item.text.strip()
        else:
            assert item.reason and item.file == "any.jsonl" and 1 <= item.place <= len(lines)
    for name in ("any.txt", "any.warc", "any.parquet", "any.jsonl.gz", "any.warc.gz"):
        (tmp_path / name).write_bytes(path.read_bytes())
        list(scan(tmp_path / name))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32), st.integers(1, 400), st.binary(min_size=1, max_size=3))
def test_gzip_broken_anywhere_never_crashes(tmp_path, seed, place, patch):
    lines = b"".join(json.dumps({"text": f"{seed} {i}"}).encode() + b"\n" for i in range(60))
    data = gzip.compress(lines, mtime=0)
    at = place % len(data)
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(data[:at] + patch + data[at + len(patch) :])
    items = list(scan(path))
    kept = [item.text for item in items if isinstance(item, Record)]
    assert all(kept)
    whole = [f"{seed} {i}" for i in range(60)]
    assert kept == whole or len(kept) < len(items), "text that was not there, and no fault named"


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


def test_parquet_rows_with_faults_of_their_own(tmp_path):
    texts = pa.array([b"fine", b"caf\xe9", None, b"a\x00b", b""]).cast(pa.binary())
    texts = pa.Array.from_buffers(pa.string(), 5, texts.buffers())
    path = parquet(tmp_path / "a.parquet", text=texts, score=pa.array([1.5] * 5))
    account = Account()
    kept = list(read(path, account=account))
    assert [(r.id, r.text, r.fields) for r in kept] == [("a.parquet:1", "fine", {"score": 1.5})]
    assert [(i.place, i.reason) for i in account.log] == [
        (2, "invalid UTF-8"),
        (3, "no text"),
        (4, "NUL"),
        (5, "empty text"),
    ]
    assert account.seen == 5


def test_damaged_parquet_and_its_cap(tmp_path):
    path = parquet(tmp_path / "a.parquet", text=pa.array([f"text {i}" * 50 for i in range(5000)]))
    data = path.read_bytes()
    for cut in (data[:-20], data[:200] + b"\0" * 400 + data[600:], b"PAR1" + b"x" * 50 + b"PAR1"):
        path.write_bytes(cut)
        account = Account()
        assert len(list(read(path, account=account))) < 5000
        assert list(account.refused) == ["damaged Parquet"]
    path.write_bytes(data)
    account = Account()
    assert not list(read(path, ReadConfig(max_file_bytes=1000), account))
    assert list(account.refused) == ["past the byte cap"]


def test_plain_text_is_one_document_a_file(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffzwölf\nBoxkämpfer\n".encode())
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"packed"))
    (tmp_path / "c.txt").write_bytes(b"\xff\xfe broken")
    account = Account()
    files = sorted(tmp_path.iterdir())
    assert [r.text for r in read(files, account=account)] == ["zwölf\nBoxkämpfer\n", "packed"]
    assert dict(account.refused) == {"invalid UTF-8": 1}


def test_the_callers_mistakes_are_errors(tmp_path):
    with pytest.raises(ValueError, match=r"data.xml: its format isn't known.*\.jsonl"):
        list(scan("data.xml"))
    with pytest.raises(FileNotFoundError):
        list(scan(tmp_path / "none.jsonl"))
    with pytest.raises(ValueError, match="max_document_bytes=0"):
        ReadConfig(max_document_bytes=0)
    with pytest.raises(ValueError, match="cap=0"):
        Stream(tmp_path / "x", 0)


def test_a_stream_by_lines_and_bytes(tmp_path):
    path = tmp_path / "s"
    path.write_bytes(b"ab\ncdefgh\nlast")
    stream = Stream(path, 100)
    assert stream.peek(2) == b"ab" and stream.line(10) == (b"ab\n", True)
    assert stream.line(3) == (b"cdefgh\nlast", False)  # its start, up to 80 bytes of what was read
    assert stream.take(2) == b"la" and stream.line(10) == (b"st", True)
    assert stream.line(10) is None and stream.skip(5) == 0


def test_streams_read_what_gzip_reads(tmp_path):
    path = tmp_path / "s.gz"
    data = b"".join(zlib.compress(bytes([i % 251]) * i) for i in range(400))
    with gzip.open(path, "wb") as file:
        file.write(data)
    stream = Stream(path, 1 << 30)
    parts = io.BytesIO()
    while piece := stream.take(1000):
        parts.write(piece)
    assert parts.getvalue() == data == gzip.decompress(path.read_bytes())
    assert stream.fault is None
