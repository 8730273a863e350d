"""What strangers' text did to the chapter's functions: each row failed once."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.data.decontamination import OverlapRules
from course_lib.data.deduplication.shingling import jaccard, shingles, words
from course_lib.data.extraction.clean import clean, mask_emails
from course_lib.data.extraction.encodings import decode
from course_lib.data.extraction.extract import extract, strip_tags
from course_lib.data.filtering.quality import QualityRules, judge
from course_lib.data.filtering.web_rules import GopherRules, gopher
from course_lib.data.mixing.shards import ShardWriter, write_tokens
from course_lib.data.privacy.recognisers import RECOGNISERS
from course_lib.data.sources.formats import Account, ReadConfig, read
from course_lib.data.sources.source import source
from course_lib.data.tokenization.tokenizer import train_bpe
from course_lib.data.tokenization.unigram import expected_counts, train_unigram, viterbi

MAIN = "The mill stands at the end of the lane and has been there for two hundred years and more."


def personal(kind: str, text: str) -> list[str]:
    return [text[a:b] for a, b, is_personal, _ in RECOGNISERS[kind](text) if is_personal]


@pytest.mark.parametrize(
    "page",
    [
        f"<html><head><title>t</title><body><p>{MAIN}</p></body></html>",
        f"<head><meta charset=utf-8><p>{MAIN}</p>",
        f"<head><link href=a><div class=page><p>{MAIN}</p></div>",
        f'<form id="aspnetForm"><nav><a href=a>Home</a></nav><p>{MAIN}</p></form>',
        f"<body><form><div><p>{MAIN}</p></div></form><footer>2026</footer></body>",
        f'<div class="shareholder-letter"><p>{MAIN}</p></div>',
        f'<div class="commentary"><p>{MAIN}</p></div><p>and some other words.</p>',
        f'<div class="adsorption loads"><p>{MAIN}</p></div><p>and some other words.</p>',
        f'<div class="layout with-sidebar"><p>{MAIN}</p></div>',
        f"<noscript><p>{MAIN}</p>",
        f"<button><p>{MAIN}</p>",
        f"<!-- never closed <p>{MAIN}</p>",
        f"<![foo]><p>{MAIN}</p>",
        f"<head>{MAIN}",
        f"<head><title>t</title> {MAIN}<p>More.</p>",
        f'<div class="no-sidebar"><p>{MAIN}</p></div><p>and some other words of the page.</p>',
    ],
)
def test_the_text_of_a_page_stays(page):
    assert MAIN in extract(page)


@pytest.mark.parametrize(
    "part",
    [
        "<head><title>{}</title></head>",
        "<form><p>{}</p></form>",
        '<div class="share-buttons"><p>{}</p></div>',
        '<div class="shareButtons"><p>{}</p></div>',
        '<div id="comments"><p>{}</p></div>',
        '<div class="cookiebar"><p>{}</p></div>',
        '<div class="ads"><p>{}</p></div>',
        "<button><p>{}</p></button>",
        "<script>{}</script>",
        "<script>{}",
    ],
)
def test_what_stands_around_it_goes(part):
    other = "You may be interested in these twenty words, which are long enough to be kept as text."
    page = f"<p>{MAIN}</p><p>{MAIN} Twice.</p><p>{MAIN} Thrice.</p>" + part.format(other)
    assert MAIN in extract(page) and other not in extract(page)


@given(st.text(st.sampled_from("<>ab/!-[]\"'= &#x\n"), max_size=60))
def test_no_page_raises(page):
    extract(page), strip_tags(page), clean(page)


def test_a_bad_byte_costs_one_character():
    text = "Grüße aus Köln, schöne Straßen und viele Brücken über den Fluß"
    data = text.encode()[:-2] + b"\xff" + text.encode()[-2:]
    for server, page in (("utf-8", data), ("", data), ("", b"<meta charset=utf-8>" + data)):
        found = decode(page, server)
        assert found.charset == "utf-8" and found.damaged == 1 and "Köln, schöne" in found.text
    few = decode("café".encode() + b" \xff", "utf-8")
    assert (few.text, few.charset, few.damaged) == ("café \ufffd", "utf-8", 1)
    latin = text.encode("cp1252")
    for server in ("utf-8", ""):  # a wrong word: nothing that isn't ASCII fits
        assert decode(latin, server).text == text
    assert decode("日本語のページ".encode("cp932"), "shift_jis").text == "日本語のページ"


def test_a_cap_on_a_pieces_border_is_no_end(tmp_path):
    path = tmp_path / "long.txt"
    path.write_bytes(b"a" * 200_000)
    for cap in (65_535, 65_536, 65_537, 131_072, 199_999):
        account = Account()
        config = ReadConfig(max_file_bytes=cap)
        assert list(read([path], config, account)) == []
        assert dict(account.refused) == {"past the byte cap": 1}
    assert len(list(read([path], ReadConfig(max_file_bytes=200_000)))) == 1


def test_ids_that_are_empty_or_of_another_type_are_no_duplicates(tmp_path):
    path = tmp_path / "a.jsonl"
    ids = ["", "", " ", 1, "1", 1, "1", None, None, 0]
    rows = [json.dumps({"id": name, "text": f"text {n}"}) for n, name in enumerate(ids)]
    path.write_text("\n".join(rows))
    account = Account()
    kept = [record.text for record in read([path], account=account)]
    assert kept == [f"text {n}" for n in (0, 1, 2, 3, 4, 7, 8, 9)]
    assert dict(account.refused) == {"duplicate id": 2}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("logo@2x.png and icon@3x.jpg", []),
        ("git clone git@github.com:a/b", []),
        ("pkg@1.2.zip style@next.tgz a@b.svgz", []),
        ("from noreply@example.net", []),
        ("ann.lee@example.net", ["ann.lee@example.net"]),
        ("bob@company.io", ["bob@company.io"]),
    ],
)
def test_what_is_shaped_like_an_address_and_is_nobodys(text, found):
    assert personal("email", text) == found
    assert mask_emails(text)[1] == len(found)


@pytest.mark.parametrize(
    ("number", "card"),
    [
        ("4111111111111111", True),
        ("4222222222222", True),  # 13 digits
        ("5555555555554444", True),
        ("2223003122003222", True),
        ("378282246310005", True),
        ("30569309025904", True),
        ("6011111111111117", True),
        ("3530111333300000", True),
        ("6200000000000005", True),
        ("20240115123450", False),  # a time stamp whose check digit is right
        ("37828224631000500", False),  # no American Express has 17 digits
        ("8888888888888888", False),
    ],
)
def test_cards_are_those_of_issuers(number, card):
    from course_lib.data.privacy.recognisers import luhn

    assert luhn(number) or not card
    assert personal("card", f"card {number} .") == ([number] if card else [])


def test_no_timestamp_is_a_card():
    from course_lib.data.privacy.recognisers import luhn

    days = [f"2024{month:02}{day:02}" for month in range(1, 13) for day in range(1, 29)]
    stamps = [f"{day}{hour:02}3015" for day in days for hour in range(24)]
    assert sum(map(luhn, stamps)) > 500
    assert not any(personal("card", stamp) for stamp in stamps)


@pytest.mark.parametrize(
    "number",
    [
        "(212)-736-5000",
        "(212) 736-5000",
        "(212)736-5000",
        "212 736-5000",
        "212-736-5000",
        "212.736.5000",
        "2127365000",
        "1-212-736-5000",
        "+1 212 736 5000",
        "212\u2011736\u20115000",
        "+44\u00a020\u00a07946\u20130958",
    ],
)
def test_telephone_numbers_as_people_write_them(number):
    assert personal("phone", f"call {number} now") == [number]


@pytest.mark.parametrize("number", ["1700000000", "0127365000", "2120365000", "21273650001"])
def test_other_numbers_are_no_telephones(number):
    assert personal("phone", f"id {number} now") == []


def test_addresses_of_machines_in_long_runs():
    assert personal("ip", "at 2001:4860:4860::8888.") == ["2001:4860:4860::8888"]
    found = personal("ip", "see 2001:4860:4860::8888/32, or 64:ff9b::8.8.8.8 here")
    assert {"2001:4860:4860::8888", "64:ff9b::8.8.8.8"} <= set(found)
    assert personal("ip", "std::ab::cd and " + "ab:" * 20_000 + "g") == []


def test_texts_of_scripts_without_spaces_are_compared_by_characters():
    a = "今天天气很好我们一起去公园散步然后在湖边吃午饭最后坐公共汽车回家"
    b = a.replace("公园", "海边")
    other = "完全不同的另一篇文章讲的是如何训练语言模型和评估它们的质量"
    sets = [shingles(text, 5) for text in (a, b, other)]
    assert 0.5 < jaccard(sets[0], sets[1]) < 1 and jaccard(sets[0], sets[2]) == 0
    assert words("In 東京 2024年 the สวัสดี") == ["in", "東", "京", "2024", "年", "the", *"สวัสดี"]
    assert OverlapRules().unit == "words"


def test_one_rule_of_stop_words():
    once = " ".join(["mill"] * 60 + ["the"] * 9)
    twice = once + " and"
    for text, kept in ((once, False), (twice, True)):
        rules = GopherRules(min_words=1)
        by_gopher = gopher(text, rules).rule != "gopher: no stop words"
        ours = judge(text, QualityRules(max_top_bigram=9.0)).rule != "no stop words"
        assert by_gopher == ours == kept


def test_blank_texts_are_passed_over(tmp_path):
    tokenizer = train_bpe(["a mill at the end of the lane"], 270)
    texts = ["the mill", *[" \n"] * 2_500, "the lane"]
    shards = write_tokens(texts, tokenizer, tmp_path / "a", together=1_000)
    assert [tokenizer.decode(shards[i].tolist()) for i in range(len(shards))] == [
        "the mill",
        "the lane",
    ]


@pytest.mark.parametrize("ids", [[1.5, 2.0], [1.0], [True], ["1"], [[1, 2]], np.float32([3])])
def test_only_whole_numbers_are_tokens(tmp_path, ids):
    with pytest.raises(ValueError, match="expected whole numbers"):
        ShardWriter(tmp_path, 10, 0).add(ids)


def test_long_words_of_unigram():
    word = "".join(chr(0x4E00 + i) for i in range(94))
    assert len(train_unigram({word: 1}, 120)) >= 94
    counts, log_p = expected_counts("ab" * 5_000, {"a": -20.0, "b": -20.0}, 1)
    assert log_p == pytest.approx(-200_000) and counts == pytest.approx({"a": 5_000, "b": 5_000})
    for call in (lambda: viterbi("a", {}), lambda: train_unigram({}, 10)):
        with pytest.raises(ValueError, match="is empty"):
            call()


@given(st.text("ab", min_size=1, max_size=8))
def test_unigram_in_logs_is_the_sum_over_all_cuts(word):
    import math

    scores = {"a": -1.0, "b": -2.0, "ab": -1.5, "ba": -2.5, "aa": -3.0}

    def total(rest: str) -> float:
        if not rest:
            return 1.0
        parts = [p for p in scores if rest.startswith(p)]
        return sum(math.exp(scores[p]) * total(rest[len(p) :]) for p in parts)

    assert expected_counts(word, scores, 2)[1] == pytest.approx(math.log(total(word)))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_text_file_is_read_as_its_mark_says(tmp_path, encoding):
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    (tmp_path / "a.txt").write_bytes(mark + MAIN.encode(encoding))
    assert [record.text for record in read([tmp_path / "a.txt"])] == [MAIN]


def test_files_of_a_folder_that_nobody_reads_are_counted(tmp_path):
    (tmp_path / "a.txt").write_text(MAIN)
    (tmp_path / "b.docx").write_bytes(b"PK")
    (tmp_path / ".hidden").write_bytes(b"")
    account = Account()
    assert len(list(source(f"files:{tmp_path}", account=account))) == 1
    assert dict(account.refused) == {"unknown format": 1} and account.log[0].file == "b.docx"
