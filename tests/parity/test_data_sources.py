"""Readers, extraction, personal data: ours against datasets, warcio, lxml, presidio and others."""

import gzip
import io
import json
import random
from collections import Counter

import lxml.html
import phonenumbers
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset
from presidio_analyzer.predefined_recognizers import CreditCardRecognizer, IbanRecognizer
from resiliparse.parse.encoding import map_encoding_to_html5
from sklearn.feature_extraction.text import CountVectorizer
from warcio.archiveiterator import ArchiveIterator
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from course_lib.data.extraction.encodings import decode, python_name
from course_lib.data.extraction.extract import blocks
from course_lib.data.extraction.webpages import foreign_pages, web_pages
from course_lib.data.privacy.comments import INSULTS, THREATS, comments, harmless
from course_lib.data.privacy.planted import planted
from course_lib.data.privacy.protect import find
from course_lib.data.privacy.recognisers import luhn, mod97
from course_lib.data.privacy.toxicity import Lexicon
from course_lib.data.sources.formats import read
from course_lib.data.sources.source import source
from course_lib.data.sources.warc import read_warc


@pytest.mark.parametrize("name", ["r.jsonl", "r.jsonl.gz", "r.parquet"])
def test_records_of_json_lines_and_parquet(parity, tmp_path, name):
    rows = [
        {"id": r.id, "text": r.text + " é日\u2028😀", "score": i / 7, "tags": ["a", str(i)]}
        for i, r in enumerate(source("world", n=120))
    ]
    lines = "".join(json.dumps(row, ensure_ascii=i % 2 == 0) + "\n" for i, row in enumerate(rows))
    path = tmp_path / name
    if name.endswith("parquet"):
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=50)
    else:
        data = lines.encode()
        path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    form = "parquet" if name.endswith("parquet") else "json"
    theirs = load_dataset(form, data_files=str(path), split="train", cache_dir=str(tmp_path))
    ours = [{"id": r.id, "text": r.text, **r.fields} for r in read(path)]
    wrong = sum(a != b for a, b in zip(ours, theirs, strict=True))
    assert len(ours) == 120 and ours[3] == rows[3]
    parity(
        stem="data",
        ours="data.formats.read",
        reference=f"datasets load_dataset({form})",
        error=wrong,
        tolerance=0,
        note=f"records of {name} that differ, of 120",
    )


@pytest.mark.parametrize("packed", [False, True])
def test_records_of_warc(parity, tmp_path, packed):
    path = tmp_path / ("a.warc.gz" if packed else "a.warc")
    with path.open("wb") as file:
        writer = WARCWriter(file, gzip=packed)
        writer.write_record(writer.create_warcinfo_record("a.warc", {"software": "tests"}))
        for page in web_pages(30):
            headers = StatusAndHeaders("200 OK", [("Content-Type", "text/html")], "HTTP/1.1")
            writer.write_record(
                writer.create_warc_record(
                    page.url, "response", payload=io.BytesIO(page.data), http_headers=headers
                )
            )
    with path.open("rb") as file:
        theirs = [
            (
                r.rec_type,
                r.rec_headers["WARC-Record-ID"].strip("<>"),
                r.rec_headers.get("WARC-Target-URI") or "",
                r.content_stream().read(),
            )
            for r in ArchiveIterator(file)
        ]
    ours = [(r.type, r.id, r.url, r.payload) for r in read_warc(path)]
    assert len(ours) == 31 and ours[1][3] == web_pages(1)[0].data
    parity(
        stem="data",
        ours="data.warc.read_warc",
        reference="warcio ArchiveIterator",
        error=sum(a != b for a, b in zip(ours, theirs, strict=True)),
        tolerance=0,
        note=f"records that differ, of 31, {'one gzip member each' if packed else 'plain'}",
    )


def test_the_words_of_blocks(parity):
    pages, wrong = web_pages(35, seed=9), 0
    for page in pages:
        tree = lxml.html.document_fromstring(page.data.decode())
        for hidden in tree.xpath("//script|//style|//head|//button|//comment()"):
            hidden.drop_tree()
        theirs = Counter(" ".join(tree.itertext()).split())
        wrong += Counter(" ".join(b.text for b in blocks(page.data.decode())).split()) != theirs
    parity(
        stem="data",
        ours="data.extract.blocks",
        reference="lxml.html itertext",
        error=wrong,
        tolerance=0,
        note="made pages whose words differ, of 35",
    )


def test_labels_of_encodings(parity):
    labels = (
        "utf-8",
        "UTF8",
        "iso-8859-1",
        "latin1",
        "us-ascii",
        "windows-1252",
        "windows-1251",
        "koi8-r",
        "shift_jis",
        "euc-jp",
        "gbk",
        "gb2312",
        "big5",
        "iso-8859-2",
        "euc-kr",
        "windows-1250",
        "iso-8859-9",
    )
    # Their answer names the encoding as browsers do; ours is Python's codec of the same name.
    wrong = [
        label for label in labels if python_name(label) != python_name(map_encoding_to_html5(label))
    ]
    assert python_name("iso-8859-1") == "cp1252" != python_name("iso-8859-2")
    parity(
        stem="data",
        ours="data.encodings.python_name",
        error=len(wrong),
        tolerance=0,
        reference="resiliparse map_encoding_to_html5",
        note=f"labels taken for another encoding, of {len(labels)}",
    )
    assert sum(p.article in decode(p.data, p.charset).text for p in foreign_pages()) == 8


def test_check_digits(parity):
    draw = random.Random(3)
    cards = ["4" + "".join(draw.choice("0123456789") for _ in range(15)) for _ in range(500)]
    check = CreditCardRecognizer()
    assert 25 < sum(map(luhn, cards)) < 80
    parity(
        stem="data",
        ours="data.recognisers.luhn",
        reference="presidio CreditCardRecognizer",
        error=sum(luhn(c) != bool(check.validate_result(c)) for c in cards),
        tolerance=0,
        note="verdicts that differ, of 500 random numbers",
    )
    ibans = [s.value.replace(" ", "") for s in planted(60, seed=5, kinds=("iban",))]
    ibans += [a[:-1] + str((int(a[-1]) + 1) % 10) for a in ibans]
    check = IbanRecognizer()
    assert sum(map(mod97, ibans)) == 60
    parity(
        stem="data",
        ours="data.recognisers.mod97",
        reference="presidio IbanRecognizer",
        error=sum(mod97(a) != bool(check.validate_result(a)) for a in ibans),
        tolerance=0,
        note="verdicts that differ, of 60 right and 60 wrong IBANs",
    )


def test_telephone_numbers(parity):
    numbers = [s.value for s in planted(150, seed=6, kinds=("phone",)) if s.value.startswith("+")]
    numbers += ["+999 12345678", "+44 12", "+210 5550123 44", "+49 30 2312 5000"]
    wrong = 0
    for number in numbers:
        try:
            possible = phonenumbers.is_possible_number(phonenumbers.parse(number))
        except phonenumbers.NumberParseException:
            possible = False
        wrong += bool(find(number, ("phone",))) != possible
    parity(
        stem="data",
        ours="data.recognisers.phones",
        reference="phonenumbers possible number",
        error=wrong,
        tolerance=0,
        note=f"verdicts that differ, of {len(numbers)} with a +",
    )


def test_words_of_a_list(parity):
    lexicon = Lexicon(frozenset(INSULTS + THREATS))
    texts = [c.text for c in [*comments(300), *harmless()]]
    counter = CountVectorizer(
        vocabulary=sorted(lexicon.entries),
        ngram_range=(1, 2),
        token_pattern=r"[^\W\d_]+(?:['’][^\W\d_]+)?",
    )
    theirs = counter.transform(texts).sum(axis=1).A1
    assert theirs.sum() > 150
    parity(
        stem="data",
        ours="data.toxicity.Lexicon",
        reference="scikit-learn CountVectorizer",
        error=sum(len(lexicon.hits(t)) != n for t, n in zip(texts, theirs, strict=True)),
        tolerance=0,
        note=f"texts whose hits differ, of {len(texts)}",
    )
