"""Tables that people fill in: what goes into them comes out of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.grading.marks.rows import BadRow, amount, one_of, read_rows, write_rows

TEXT = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]) | st.just("\n"), max_size=30)


@given(rows=st.lists(st.tuples(TEXT, TEXT), max_size=5))
def test_what_is_written_is_read(tmp_path_factory, rows):
    rows = [tuple(" ".join(t.split(" ")).strip().lstrip("'") for t in row) for row in rows]
    path = tmp_path_factory.mktemp("rows") / "t.csv"
    write_rows(path, ("a", "b"), rows)
    found = [(row["a"], row["b"]) for row in read_rows(path, ("a", "b"))]
    assert found == [(a.strip(), b.strip()) for a, b in rows if a.strip() or b.strip()]


@pytest.mark.parametrize("text, value", [("7", 7.0), ("7,5", 7.5), (" 0 ", 0.0), ("1e1", 10.0)])
def test_amounts(text, value):
    assert amount(text, 10, "x") == value


@pytest.mark.parametrize("text", ["-1", "10.01", "inf", "nan", "", "ten", "1,000,0", "0x5"])
def test_what_is_no_amount_is_named(text):
    with pytest.raises(BadRow, match="^here is .*, expected a number from 0 to 10$"):
        amount(text, 10, "here")


def test_a_name_that_isnt_there_is_answered_with_those_that_are_like_it():
    class_ = [f"student{i:03}" for i in range(300)] + ["ann"]
    with pytest.raises(BadRow) as refused:
        one_of("student1", class_, "a student", "here")
    assert len(str(refused.value)) < 150 and "(of 301)" in str(refused.value)
    with pytest.raises(BadRow, match=r"expected a student: none$"):
        one_of("ann", [], "a student", "here")
    with pytest.raises(
        BadRow, match="here is 'A\N{REPLACEMENT CHARACTER}x', expected a student: ann"
    ):
        one_of("A\nx".replace("\n", "\x07"), ["ann"], "a student", "here")
