import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.data.extraction.clean import STEPS, clean, mask_emails, repair_encoding


def test_every_repair_by_hand():
    spoilt = (
        "\ufeffA\u00a0cafe\u0301 \r\n\r\n\r\n\r\nzero\u200bwidth \x07 "
        "mail ann.b@mail.example.org now  \n"
    )
    result = clean(spoilt)
    assert result.text == "A café\n\nzerowidth  mail <email> now"
    assert result.changes == {
        "line ends": 4,
        "invisible characters": 3,
        "characters composed": 1,
        "unusual spaces": 1,
        "blank space trimmed": 6,
        "e-mail addresses masked": 1,
    }


@pytest.mark.parametrize("text", ["café", "naïve — “quoted”", "Αθήνα", "日本語", "ß 😀"])
def test_text_read_in_the_wrong_encoding_is_mended(text):
    wrong = "".join(bytes([b]).decode("cp1252", "ignore") or chr(b) for b in text.encode())
    assert wrong != text
    assert repair_encoding(wrong)[0] == text
    assert repair_encoding(text) == (text, 0)


def test_a_mixture_is_left_alone():
    assert repair_encoding("CAFÉ» and café") == ("CAFÉ» and café", 0)


@given(st.text(alphabet="ab \n\t.éß日", max_size=80))
def test_clean_text_stays_as_it_is(text):
    once = clean(text).text
    assert clean(once) == type(clean(once))(once, {})


@given(st.text(max_size=80), st.sampled_from(sorted(STEPS)))
def test_each_step_leaves_nothing_to_itself(text, name):
    if name == "encoding repaired" or not text.isprintable():
        return
    once, _ = STEPS[name](text)
    assert STEPS[name](once)[0] == once


def test_addresses_are_masked_and_other_signs_are_not():
    text, count = mask_emails("ask a.b+c@x-y.co.uk, not @decorator or a@b or matrix @ vector.T")
    assert (text, count) == ("ask <email>, not @decorator or a@b or matrix @ vector.T", 1)
