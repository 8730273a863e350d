import re
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.data.extraction.clean import mask_emails
from course_lib.data.privacy.protect import POLICIES, examine, find, protect
from course_lib.data.privacy.recognisers import IBAN_LENGTHS, RECOGNISERS, luhn, mod97

KEY = b"a key of 16 byte"
CARD, IBAN = "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00"
PERSONAL = {
    "ann.lee@mill.example": "email",
    CARD: "card",
    "4111-1111-1111-1111": "card",
    "378282246310005": "card",
    "3782 822463 10005": "card",
    IBAN: "iban",
    "GB82WEST12345698765432": "iban",
    "198.51.100.7": "ip",
    "2001:db8:85a3::8a2e:370:7334": "ip",
    "+44 20 7946 0958": "phone",
    "+1 (212) 555-0123": "phone",
    "(212) 555-0123": "phone",
    "212.555.0123": "phone",
}
NOT_PERSONAL = [
    "4111 1111 1111 1112",
    "978-0-306-40615-7",
    "9780306406157",
    "DE89 3704 0044 0532 0130 01",
    "XX89 3704 0044 0532 0130 00",
    "version 1.2.3.4",
    "v10.4.2.1",
    "numpy==1.26.4.1",
    "10.0.0.1",
    "127.0.0.1",
    "192.168.1.20",
    "300.1.1.1",
    "1.2.3.4.5",
    "12:34:56",
    "x[1::2]",
    "std::move",
    "00:1A:2B:3C:4D:5E",
    "2026-01-02",
    "3.14159265358979",
    "0x4111111111111111",
    "+999 12345678",
    "555-123-4567",
    "1 + 12345678",
    "#a1b2c3d4e5f6",
    "1234567890123456789012",
    "e6b1c2d3-4f5a-4b6c-8d7e-9f0a1b2c3d4e",
    "@decorator",
    "a @ b",
]


@pytest.mark.parametrize("value", PERSONAL)
def test_found_alone_in_a_sentence_and_beside_punctuation(value):
    for text in (value, f"Reach me: {value}, or not.", f"({value})", f"{value}.", f"x\n{value}\ny"):
        assert [(f.kind, f.text) for f in find(text)] == [(PERSONAL[value], value)], text


@pytest.mark.parametrize("value", NOT_PERSONAL)
def test_hard_negatives(value):
    assert not find(f"It says {value} there.")


def test_a_year_behind_a_card_and_a_word_behind_an_iban():
    assert [f.text for f in find(f"{CARD} 12/27 and {IBAN} BIC X")] == [CARD, IBAN]
    assert [f.text for f in find("4111111111111111 2027")] == ["4111111111111111"]


def test_names_behind_titles_and_credits():
    text = "Written by Mara Quill and others. Dr. Ostrow agreed; by Default it is off. Mr Bean"
    assert [f.text for f in find(text, ("name",))] == ["Mara Quill", "Ostrow", "Bean"]
    assert [f.text for f in find("Copyright (c) 2011-2019 Vidar Holm")] == ["Vidar Holm"]


def test_luhn_and_mod97_by_hand():
    assert luhn("79927398713") and not luhn("79927398710")  # 7 9 9 ...: sums 70 and 67
    assert [luhn(f"7992739871{digit}") for digit in range(10)].count(True) == 1
    assert mod97("GB82WEST12345698765432") and not mod97("GB82WEST12345698765423")


@given(st.text("0123456789", min_size=12, max_size=18), st.integers(0, 17), st.integers(1, 9))
def test_luhn_has_one_check_digit_and_sees_every_wrong_digit(digits, place, change):
    whole = next(digits + last for last in "0123456789" if luhn(digits + last))
    place %= len(whole)
    wrong = (int(whole[place]) + change) % 10
    assert not luhn(whole[:place] + str(wrong) + whole[place + 1 :])


@given(st.sampled_from(sorted(IBAN_LENGTHS)), st.integers(0, 10**30))
def test_an_iban_made_by_its_rule_is_found(country, number):
    account = str(number).zfill(30)[: IBAN_LENGTHS[country] - 4]
    check = next(f"{n:02d}" for n in range(2, 99) if mod97(f"{country}{n:02d}{account}"))
    whole = country + check + account
    spaced = " ".join(re.findall(".{1,4}", whole))
    assert [f.text for f in find(f"to {spaced}.", ("iban",))] == [spaced]
    assert not find(f"to {country}{(int(check) + 1) % 100:02d}{account}.", ("iban",))


TEXT = (
    f"ann@mill.example, Ann@Mill.example, bob@mill.example, {CARD}, +44 20 7946 0958, 198.51.100.7"
)


def test_policies():
    assert protect(TEXT).text == "<email>, <email>, <email>, <card>, <phone>, <ip>"
    assert protect(TEXT, "drop").text is None and protect("clean", "drop").text == "clean"
    assert protect(TEXT, "drop").reason == "1 card, 3 email, 1 ip, 1 phone"
    for policy in ("hash", "pseudonym"):
        out = protect(TEXT, policy, key=KEY).text.split(", ")
        assert out[0] == out[1] != out[2]  # one person stays one person, however it is spelled
        assert out != protect(TEXT, policy, key=KEY[::-1]).text.split(", ")
        assert not set(PERSONAL) & set(out)
    same = protect("+442079460958", "hash", key=KEY).text
    assert same == protect("+44 20 7946 0958", "hash", key=KEY).text


@pytest.mark.parametrize("policy", [p for p in POLICIES if p != "drop"])
def test_masking_twice_is_masking_once(policy):
    once = protect(f"{TEXT}, {IBAN}. Written by Mara Quill.", policy, key=KEY).text
    again = protect(once, policy, key=KEY)
    assert again.text == once and not again.found


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(list(PERSONAL) + NOT_PERSONAL), st.text(max_size=15))))
def test_findings_never_overlap_and_what_is_between_them_stays(pieces):
    text = " ".join(pieces)
    found = find(text)
    assert all(a.end <= b.start for a, b in zip(found, found[1:], strict=False))
    assert all(f.text == text[f.start : f.end] and f.reason for f in examine(text))
    rest = re.split("|".join(f"<{kind}>" for kind in RECOGNISERS), protect(text).text)
    assert sum(map(len, rest)) <= len(text)
    assert protect(text).found == tuple(found)


def test_the_pipelines_own_mask_agrees_on_addresses():
    assert mask_emails(TEXT)[0] == protect(TEXT, kinds=("email",)).text


def test_errors():
    with pytest.raises(ValueError, match="policy 'blur' is not one of tag, hash, pseudonym, drop"):
        protect("x", "blur")
    with pytest.raises(ValueError, match="at least 16 bytes, got 3"):
        protect("x", "hash", key=b"key")
    with pytest.raises(ValueError, match="kind 'iris' is not one of email"):
        find("x", ("iris",))


def calls(text: str) -> int:
    """How many Python functions (and steps of generators) `examine` enters: no clock."""
    count = 0

    def seen(frame, event, argument):
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        examine(text)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("piece", ["a@b.co ", "212-736-5000 ", "1.2.3.4 ", "Dr Ab "])
def test_the_work_grows_as_the_text_does(piece):
    examine(piece)
    assert calls(piece * 400) < 5 * calls(piece * 100)
