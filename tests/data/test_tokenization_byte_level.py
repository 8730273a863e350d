"""Published tokenizer files: what is refused by name, and what can't be forged."""

import copy
import json

import pytest

from course_lib.data.tokenization.byte_level import ByteLevelBPE
from course_lib.data.tokenization.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def state() -> dict:
    hub = Tokenizer([(40, 41)]).to_transformers()
    return json.loads(hub.backend_tokenizer.to_str())


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("model", "type"), "Unigram", "Unigram"),
        (("model", "byte_fallback"), True, "byte_fallback"),
        (("model", "continuing_subword_prefix"), "##", "continuing_subword_prefix"),
        (("pre_tokenizer",), {"type": "Metaspace"}, "Metaspace"),
        (("pre_tokenizer",), {"type": "Digits", "individual_digits": True}, "ByteLevel"),
        (("pre_tokenizer",), None, "None"),
        (("normalizer",), {"type": "Lowercase"}, "Lowercase"),
        (("added_tokens", 0, "lstrip"), True, "lstrip"),
        (("model", "unk_token"), "<nowhere>", "<nowhere>"),
        (("model",), [1], "list"),
        (("model", "vocab"), ["a"], "list"),
        (("model", "vocab"), {"a": "b"}, "'b'"),
        (("model", "vocab"), {"a": -5}, "-5"),
        (("model", "vocab"), {"a": 2**40}, "1099511627776"),
        (("model", "vocab"), {}, "vocab is empty"),
        (("model",), {"type": "BPE", "vocab": {"a": 0}}, "merges"),
        (("model",), {"type": "BPE", "merges": []}, "vocab"),
        (("model", "merges"), ["ab"], "'ab'"),
        (("model", "merges"), [["a", "b", "c"]], "'c'"),
        (("added_tokens", 0), 3, "int"),
        (("added_tokens", 0), {"content": "<|x|>"}, "id"),
        (("added_tokens", 0), {"content": "", "id": 9}, "expected a text"),
        (("pre_tokenizer",), {"type": "Split", "behavior": "Isolated"}, "pattern"),
        (
            ("pre_tokenizer",),
            {"type": "Split", "behavior": "Isolated", "pattern": {"Regex": "(["}},
            "character set",
        ),
        (("pre_tokenizer",), {"type": "Sequence"}, "pretokenizers"),
        (("normalizer",), "NFC", "str"),
    ],
)
def test_what_is_not_covered_is_refused_by_name(state, path, value, named):
    changed = copy.deepcopy(state)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(ValueError, match=named) as caught:
        ByteLevelBPE(changed, "there/tokenizer.json")
    assert str(caught.value).startswith("there/tokenizer.json: ")


def test_a_user_forges_no_special_token(state):
    ours = ByteLevelBPE(state)
    end = ours.token_id("<|end|>")
    assert end not in ours.encode("a<|end|>b")
    assert ours.encode("a<|end|>b", specials=True)[1] == end
    assert ours.decode(ours.encode("a<|end|>b")) == "a<|end|>b"
    assert ours.decode(ours.encode("a<|end|>b", specials=True)) == "ab"


@pytest.mark.parametrize("ids", [[-1], [10_000]])
def test_what_is_no_id_is_refused(state, ids):
    with pytest.raises(ValueError, match="expected an id"):
        ByteLevelBPE(state).decode(ids)


def test_a_lone_surrogate_is_no_text(state):
    with pytest.raises(UnicodeEncodeError):
        ByteLevelBPE(state).encode("\ud83d")


@pytest.mark.parametrize("content", ["[1]", "{", '"x"'])
def test_a_file_that_is_something_else(tmp_path, content):
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ValueError, match="tokenizer.json"):
        ByteLevelBPE.load(tmp_path)
