import gzip
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from course_lib.data.extraction.encodings import decode, python_name
from course_lib.data.sources.formats import Account, ReadConfig, read
from course_lib.data.sources.warc import WarcFault, WarcRecord, read_warc


def record(block, kind="response", mime="application/http; msgtype=response", size=None, number=1):
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{number}>\r\n"
        f"WARC-Target-URI: http://example.org/{number}\r\nWARC-Date: 2026-01-01T00:00:00Z\r\n"
        f"Content-Type: {mime}\r\nContent-Length: {len(block) if size is None else size}\r\n"
    )
    return head.encode() + b"\r\n" + block + b"\r\n\r\n"


def http(body, headers="Content-Type: text/html; charset=utf-8", status="200 OK"):
    return f"HTTP/1.1 {status}\r\n{headers}\r\n\r\n".encode() + body


PAGE = http(b"<p>Hello</p>")


def warc(tmp_path, *records, name="a.warc"):
    data = b"".join(records)
    path = tmp_path / name
    members = b"".join(gzip.compress(r) for r in records)
    path.write_bytes(members if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
def test_a_hand_made_file(tmp_path, name):
    info = record(b"software: ours\r\n", "warcinfo", "application/warc-fields", number=0)
    text = record("Café".encode(), "conversion", "text/plain", number=2)
    path = warc(tmp_path, info, record(PAGE), text, name=name)
    found = list(read_warc(path))
    assert [r.type for r in found] == ["warcinfo", "response", "conversion"]
    page = found[1]
    assert (page.id, page.url, page.status) == ("urn:uuid:1", "http://example.org/1", 200)
    assert (page.mime, page.charset, page.payload) == ("text/html", "utf-8", b"<p>Hello</p>")
    account = Account()
    records = list(read(path, account=account))
    assert [(r.kind, r.text) for r in records] == [("html", "<p>Hello</p>"), ("text", "Café")]
    assert records[0].fields["url"] == "http://example.org/1"
    assert dict(account.refused) == {"WARC type warcinfo": 1}


FAULTS = {
    record(PAGE, size="many"): "broken WARC header",
    record(PAGE).replace(b"WARC/1.0", b"WARC/9.9"): "broken WARC header",
    record(b"no end of the headers"): "broken HTTP header",
    record(http(b"5\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: chunked")): "chunked transfer",
    record(http(b"x", "Content-Encoding: br")): "content encoding",
    record(http(b"x", "Content-Encoding: gzip")): "truncated gzip",
    record(http(b"y" * 50, "Content-Encoding: gzip")): "damaged gzip",
    record(http(gzip.compress(bytes(17 << 20)), "Content-Encoding: gzip")): "document too long",
}


@pytest.mark.parametrize("bad", FAULTS, ids=lambda bad: FAULTS[bad])
def test_a_fault_costs_one_record(tmp_path, bad):
    path = warc(tmp_path, record(PAGE, number=1), bad, record(PAGE, number=2))
    account = Account()
    assert [r.id for r in read(path, account=account)] == ["urn:uuid:1", "urn:uuid:2"]
    assert dict(account.refused) == {FAULTS[bad]: 1}
    assert account.log[0].place == 2


def test_a_compressed_page_is_unpacked(tmp_path):
    body = http(
        gzip.compress(b"<p>packed</p>"), "Content-Encoding: gzip\r\nContent-Type: text/html"
    )
    assert next(read(warc(tmp_path, record(body)))).text == "<p>packed</p>"


def test_files_cut_off(tmp_path):
    data = record(PAGE) + record(PAGE, number=2)
    path = tmp_path / "cut.warc"
    path.write_bytes(data[:-20])
    assert [type(r) for r in read_warc(path)] == [WarcRecord, WarcFault]
    packed = gzip.compress(record(PAGE)) + gzip.compress(record(PAGE, number=2))
    path = tmp_path / "cut.warc.gz"
    path.write_bytes(packed[:-60])
    account = Account()
    assert [r.id for r in read(path, account=account)] == ["urn:uuid:1"]
    assert dict(account.refused) == {"truncated gzip": 1}
    account = Account()
    big = warc(tmp_path, record(http(b"x" * 3000)), record(PAGE, number=2))
    assert [r.id for r in read(big, ReadConfig(max_document_bytes=999), account)] == ["urn:uuid:2"]
    assert dict(account.refused) == {"document too long": 1}


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2000), st.binary(max_size=30))
def test_bytes_put_in_anywhere_never_crash(tmp_path, place, patch):
    data = record(PAGE) + record(PAGE, number=2) + record(PAGE, number=3)
    place %= len(data)
    path = tmp_path / "any.warc"
    path.write_bytes(data[:place] + patch + data[place:])
    found = list(read_warc(path))
    for item in found:
        if isinstance(item, WarcRecord):
            item.decoded.text.encode("utf-8")
    assert len(found) >= 2


@pytest.mark.parametrize(
    ("data", "server", "text", "charset", "decided_by", "wrong"),
    [
        ("Café".encode(), "", "Café", "utf-8", "content", False),
        ("Café".encode(), "iso-8859-1", "Café", "utf-8", "content", True),
        ("Café “x”".encode("cp1252"), "iso-8859-1", "Café “x”", "cp1252", "server", False),
        ("Café".encode("cp1252"), "utf-8", "Café", "cp1252", "nobody", True),
        (
            '<meta charset="koi8-r">мир'.encode("koi8-r"),
            "",
            '<meta charset="koi8-r">мир',
            "koi8-r",
            "page",
            False,
        ),
        ("日本".encode("cp932"), "Shift_JIS", "日本", "cp932", "server", False),
        ("\ufeffmir".encode("utf-16-le"), "", "mir", "utf-16-le", "mark", False),
        (b"plain", "no-such-set", "plain", "utf-8", "content", False),
        (b"caf\xe9", "rot13", "café", "cp1252", "nobody", True),
    ],
    ids=[
        "UTF-8, nothing said",
        "UTF-8, said to be Latin-1",
        "cp1252, said to be Latin-1",
        "cp1252, said to be UTF-8",
        "KOI8-R, said by the page",
        "cp932, said to be Shift_JIS",
        "UTF-16 with a mark",
        "ASCII, of an unknown set",
        "cp1252, said to be rot13",
    ],
)
def test_encodings(data, server, text, charset, decided_by, wrong):
    got = decode(data, server)
    assert (got.text, got.charset, got.decided_by, got.wrong) == (text, charset, decided_by, wrong)
    assert got.damaged == 0


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.text(max_size=12))
def test_decoding_never_raises(data, label):
    text = decode(data, label).text
    io.StringIO(text)
    assert isinstance(text, str)
    assert python_name("utf-7") == python_name("base64") == python_name("unicode_escape") == ""


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (http(b"%PDF-1.7", "Content-Type: application/pdf"), "no page: application/pdf"),
        (http(b"a { color: red }", "Content-Type: text/css"), "no page: text/css"),
        (http(b"\x89PNG", "Content-Type: image/png"), "no page: image/png"),
        (http(b"<p>Not found</p>", status="404 Not Found"), "HTTP status 404"),
        (http(b"<p>Moved</p>", status="301 Moved"), "HTTP status 301"),
        (http(b"body { }", "X: y"), "no page: of no type"),
        (http(b"<svg xmlns='a'/>", "X: y"), "no page: of no type"),
        (http(b"<?xml version='1.0'?><rss/>", "X: y"), "no page: of no type"),
        (http(b"%PDF-1.7 words"), "no page: PDF, sent as text/html"),
        (
            http(b"\x89PNG\r\n\x1a\n", "Content-Type: text/plain"),
            "no page: PNG, sent as text/plain",
        ),
        (http(b"<p>No status</p>", status="9" * 5_000), "HTTP status None"),
    ],
)
def test_what_is_no_page_is_no_document(tmp_path, block, reason):
    path = warc(tmp_path, record(block), record(PAGE, number=2))
    account = Account()
    assert [found.text for found in read([path], account=account)] == ["<p>Hello</p>"]
    assert dict(account.refused) == {reason: 1}


def test_a_page_without_a_type_is_one_if_it_begins_as_one(tmp_path):
    for page in (b" <p>Hello</p>", b"<!DOCTYPE html><p>Hello</p>", b"<!-- a --><p>Hello</p>"):
        path = warc(tmp_path, record(http(page, "X: y")))
        assert [found.kind for found in read([path])] == ["html"]
