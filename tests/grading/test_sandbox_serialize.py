"""Values cross as plain JSON: what comes back is equal, and nothing else gets through."""

import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.grading.sandbox import serialize

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"))
    | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner)
    ),
    max_leaves=20,
)


def through(value):
    return serialize.decode(json.loads(json.dumps(serialize.encode(value))))


@given(PLAIN)
@settings(max_examples=200)
def test_plain_values_come_back_equal_and_of_the_same_type(value):
    back = through(value)
    assert back == value and type(back) is type(value)


@pytest.mark.parametrize("dtype", serialize.DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3)])
def test_tensors_come_back_bit_for_bit(dtype, shape):
    tensor = (torch.randn(shape) * 50).to(getattr(torch, dtype))
    back = through(tensor)
    assert back.dtype == tensor.dtype and back.shape == tensor.shape
    assert torch.equal(back, tensor)


def test_odd_floats_strided_views_and_gradients():
    assert math.isnan(through(math.nan)) and through(-math.inf) == -math.inf
    view = torch.arange(6.0, requires_grad=True).reshape(2, 3).T
    assert torch.equal(through(view), view.detach())


class Sneaky(float):
    """A number that says it equals everything."""

    def __eq__(self, other):
        return True

    __hash__ = float.__hash__


def test_what_a_subclass_overrides_does_not_cross():
    back = through([Sneaky(0.5)])
    assert type(back[0]) is float and back[0] != 0.75


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


itself = []
itself.append(itself)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (nested(30), "nested deeper"),
        (itself, "contains itself"),
        ([0] * 200_000, "more than 100,000 values"),
        ("x" * (9 << 20), "bytes of tensors and texts"),
        (torch.zeros(3 << 20), "bytes of tensors and texts"),
        (torch.zeros(2).to_sparse(), "expected a dense one"),
        (torch.zeros(2, dtype=torch.complex64), "expected a dense one"),
        (object(), "a object has no plain form"),
        (lambda: 1, "a function has no plain form"),
    ],
)
def test_what_may_not_cross_is_refused(value, said):
    with pytest.raises(serialize.Refused, match=said):
        serialize.encode(value)


@pytest.mark.parametrize(
    "forged",
    [
        {"pickle": "gASVAA=="},
        {"tensor": {"dtype": "float32", "shape": [10**9], "data": "AAAAAA=="}},
        {"tensor": {"dtype": "float32", "shape": [-1], "data": "AAAAAA=="}},
        {"tensor": {"dtype": "Tensor", "shape": [1], "data": "AAAAAA=="}},
        {"tensor": {"dtype": "float32", "shape": [True], "data": "AAAAAA=="}},
        {"tensor": "nothing"},
        {"float": "1e5"},
        {"int": "9" * 5_000},
        {"dict": [[[1], 2]]},
        {"set": [[1]]},
        {"tuple": 5},
        {},
        {"a": 1, "b": 2},
        nested(30),
    ],
)
def test_forged_data_is_refused(forged):
    with pytest.raises(serialize.Refused):
        serialize.decode(forged)


@pytest.mark.parametrize(
    "sent",
    [
        {"tensor": {"dtype": "f" * 300_000, "shape": [1], "data": ""}},
        {"tensor": {"dtype": ["float32"], "shape": [1], "data": ""}},
        {"tensor": {"dtype": "float32", "shape": [9] * 1_000, "data": ""}},
        {"tensor": {"dtype": "float32", "shape": [10**300, 0], "data": ""}},
        {"tensor": {"dtype": "float32", "shape": {"a": [1] * 1_000}, "data": ""}},
        {"int": "9" * 300_000},
        {"int": [9]},
        {"x" * 300_000: 1},
        {"a": 1, "b": [1] * 10_000},
        {"set": [k * (2**61 - 1) for k in range(50_000)]},
        {"set": list(range(50_001))},
        {"dict": [[k * (2**61 - 1), 1] for k in range(50_000)]},
        {"dict": [[1, 2, 3]]},
    ],
)
def test_what_is_too_large_is_refused_in_few_words(sent):
    with pytest.raises(serialize.Refused) as refused:
        serialize.decode(sent)
    assert len(str(refused.value)) < 300


def test_integers_of_thousands_of_digits_are_values():
    value = 10**4_200 + 7
    assert serialize.decode(serialize.encode(value)) == value
    with pytest.raises(serialize.Refused, match="digits"):
        serialize.encode(10**5_000)
